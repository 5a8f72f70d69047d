// Many targets in one process: each port of a range publishes the same program's expvar page.
//
// The pages are real ones, made by package expvar of this process before anything is served, one after the other as a
// target would have them; they are written as expvar's own handler writes them, and so come in chunks. Every target
// begins with the first and, once it has come to the last, stays with it. GET /count on the control port says how many
// pages have been sent so far.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync/atomic"
)

var served atomic.Int64

func main() {
	first := flag.Int("port", 21000, "the first target's port")
	count := flag.Int("count", 1000, "how many targets, one port each")
	control := flag.Int("control", 20998, "port of /count")
	size := flag.String("page", "10k", "10k or 28k")
	kept := flag.Int("pages", 512, "how many different pages a target has")
	collect := flag.Int("collect", 10, "pages between two garbage collections")
	flag.Parse()
	publish(*size == "28k")
	pages := capture(*kept, *collect)
	for i := 0; i < *count; i++ {
		listener := listen(*first + i)
		go func(target http.Handler) { log.Fatal(http.Serve(listener, target)) }(&target{pages: pages})
	}
	http.HandleFunc("/count", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%d", served.Load())
	})
	listener := listen(*control)
	fmt.Printf("pages of %d bytes\n", pages[0].size())
	log.Fatal(http.Serve(listener, nil))
}

func listen(port int) net.Listener {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		log.Fatal(err)
	}
	return listener
}

// A target is one port; it hands out its pages in turn.
type target struct {
	pages []page
	next  atomic.Int64
}

func (t *target) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	number := int(t.next.Add(1)) - 1
	if number >= len(t.pages) {
		number = len(t.pages) - 1
	}
	t.pages[number].write(w)
	served.Add(1)
}
