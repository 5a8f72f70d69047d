// The baseline: what one would write in Go for the same work, in the ordinary way and with the standard library.
//
// A goroutine and a ticker per target; net/http, encoding/json into maps, flattened to dotted names, shipped in bulks
// with an id per document. It has the fields, the batches, the compression and the way of answering errors of the
// program that it is compared with, and none of its promises: a document that is refused is lost, and only counted.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
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
	flag.Parse()
	shipper := newShipper(*sink, *compress)
	go shipper.run()
	client := &http.Client{
		Timeout:   *timeout,
		Transport: &http.Transport{MaxIdleConns: 0, MaxIdleConnsPerHost: 1, IdleConnTimeout: 5 * time.Minute},
	}
	begin := time.Now()
	for i := 0; i < *count; i++ {
		at := begin.Add(*interval * time.Duration(i) / time.Duration(*count))
		go poll(client, fmt.Sprintf("http://127.0.0.1:%d/debug/vars", *first+i), at, *interval, shipper.documents)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
	log.Printf("polls %d, failed %d, delivered %d, refused %d", polls.Load(), failures.Load(), delivered.Load(), refused.Load())
}

// poll reads one target on its ticks, which are spread over the interval; a tick that comes too late is left out.
func poll(client *http.Client, url string, at time.Time, interval time.Duration, documents chan<- document) {
	time.Sleep(time.Until(at))
	identity := newIdentity(url)
	ticker := time.NewTicker(interval)
	for {
		polls.Add(1)
		started := time.Now()
		if page, err := fetch(client, url); err != nil {
			failures.Add(1)
		} else {
			documents <- identity.document(page, started, time.Now())
		}
		<-ticker.C
	}
}

func fetch(client *http.Client, url string) (map[string]any, error) {
	response, err := client.Get(url)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, response.Status)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	var page map[string]any
	return page, json.Unmarshal(body, &page)
}
