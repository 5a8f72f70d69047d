// Many targets in one process: each port of a range publishes the same program's expvar page.
//
// The pages are real ones, made by package expvar of this process before anything is served, one after the other as a
// target would have them; they are written as expvar's own handler writes them, and so come in chunks. Every target
// begins with the first and, once it has come to the last, stays with it. GET /count on the control port says how many
// pages have been sent so far, GET /first when the first of them was, by the wall clock in nanoseconds. At SIGTERM what
// is under way is sent to its end, and the count is printed.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var served, firstServed atomic.Int64

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
	servers := make([]*http.Server, *count)
	for i := range servers {
		listener := listen(*first + i)
		servers[i] = &http.Server{Handler: &target{pages: pages}}
		go servers[i].Serve(listener)
	}
	go endInOrder(servers)
	http.HandleFunc("/first", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%d", firstServed.Load())
	})
	http.HandleFunc("/count", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%d", served.Load())
	})
	listener := listen(*control)
	fmt.Printf("pages of %d bytes\n", pages[0].size())
	log.Fatal(http.Serve(listener, nil))
}

func endInOrder(servers []*http.Server) {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
	patience, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var all sync.WaitGroup
	for _, server := range servers {
		all.Add(1)
		go func(server *http.Server) {
			defer all.Done()
			server.Shutdown(patience)
		}(server)
	}
	all.Wait()
	fmt.Printf("served %d\n", served.Load())
	os.Exit(0)
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
	if served.Add(1) == 1 {
		firstServed.Store(time.Now().UnixNano())
	}
}
