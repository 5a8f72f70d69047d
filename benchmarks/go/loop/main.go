// The baseline: what one would write in Go for the same work, in the ordinary way and with the standard library.
//
// A goroutine and a ticker per target; net/http, encoding/json into maps, flattened to dotted names, shipped in bulks
// with an id per document. It has the fields, the batches, the compression and the way of answering errors of the
// program that it is compared with, and none of its promises: a document that is refused is lost, and only counted.
//
// -tuned does the same without encoding/json, see tuned.go. -closed N has no tickers: N goroutines poll one target
// after the other, each as soon as it has the page of the one before.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

var polls, failures, delivered, refused atomic.Int64

func main() {
	first := flag.Int("port", 21000, "the first target's port")
	count := flag.Int("count", 1000, "how many targets")
	sink := flag.String("sink", "http://127.0.0.1:20999", "where to write")
	interval := flag.Duration("interval", time.Second, "of the polls")
	timeout := flag.Duration("timeout", 5*time.Second, "of a poll")
	compress := flag.Bool("gzip", false, "compress bulks")
	tuned := flag.Bool("tuned", false, "without encoding/json")
	closed := flag.Int("closed", 0, "so many goroutines that poll without a pause; 0 for a ticker per target")
	flag.Parse()
	shipper := newShipper(*sink, *compress)
	go shipper.run()
	transport := &http.Transport{MaxIdleConns: 0, MaxIdleConnsPerHost: 1, IdleConnTimeout: 5 * time.Minute}
	if *tuned {
		transport.ReadBufferSize = 16 << 10
		transport.DisableCompression = true
	}
	client := &http.Client{Timeout: *timeout, Transport: transport}
	sources := make([]source, *count)
	for i := range sources {
		url := fmt.Sprintf("http://127.0.0.1:%d/debug/vars", *first+i)
		if *tuned {
			sources[i] = newTunedTarget(client, url)
		} else {
			sources[i] = &target{client: client, url: url, identity: newIdentity(url)}
		}
	}
	if *closed > 0 {
		pollAtOnce(sources, *closed, shipper.documents)
	} else {
		pollPaced(sources, *interval, shipper.documents)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
	log.Printf("polls %d, failed %d, delivered %d, refused %d", polls.Load(), failures.Load(), delivered.Load(), refused.Load())
}

// A source gives a document for each poll; it is not polled twice at the same time.
type source interface {
	read() (document, error)
}

func pollPaced(sources []source, interval time.Duration, documents chan<- document) {
	begin := time.Now()
	for i, each := range sources {
		go poll(each, begin.Add(interval*time.Duration(i)/time.Duration(len(sources))), interval, documents)
	}
}

// poll reads one target on its ticks, which are spread over the interval; a tick that comes too late is left out.
func poll(from source, at time.Time, interval time.Duration, documents chan<- document) {
	time.Sleep(time.Until(at))
	ticker := time.NewTicker(interval)
	for {
		once(from, documents)
		<-ticker.C
	}
}

func pollAtOnce(sources []source, goroutines int, documents chan<- document) {
	for i := 0; i < goroutines; i++ {
		go func(i int) {
			for at := i; i < len(sources); at += goroutines {
				if at >= len(sources) {
					at = i
				}
				once(sources[at], documents)
			}
		}(i)
	}
}

func once(from source, documents chan<- document) {
	polls.Add(1)
	if made, err := from.read(); err != nil {
		failures.Add(1)
	} else {
		documents <- made
	}
}
