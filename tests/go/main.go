// A program that publishes expvar, for the tests.
//
// It prints its address as the first line of standard output and ends when standard input is closed, after the pages
// that are being served. Every page carries a number of its own, "serial"; with -log, each page is written to that
// file, number and all, once it has been sent to the last byte: what a client got can be compared with it exactly.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"expvar"
	"flag"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

var (
	counter  = expvar.NewInt("counter")
	requests = expvar.NewInt("requests")
	serial   = expvar.NewInt("serial")
	ratio    = expvar.NewFloat("ratio")
	greeting = expvar.NewString("greeting")
	hits     = expvar.NewMap("hits")
)

func publish(firstSerial int64) {
	serial.Set(firstSerial)
	greeting.Set("Grüße \"aus\" der <Ferne> ✓")
	hits.Add("total", 0)
	hits.AddFloat("load", 0.25)
	expvar.NewInt("int64_max").Set(math.MaxInt64)
	expvar.NewInt("int64_min").Set(math.MinInt64)
	expvar.Publish("uint64_max", expvar.Func(func() any { return uint64(math.MaxUint64) }))
	expvar.Publish("enabled", expvar.Func(func() any { return true }))
	expvar.Publish("nothing", expvar.Func(func() any { return nil }))
	expvar.Publish("nested", expvar.Func(func() any {
		return map[string]any{"inner": map[string]any{"depth": 2, "share": 0.1}, "words": []string{"a", "b"}}
	}))
}

// pages serves expvar's own page and logs what was served.
type pages struct {
	making sync.Mutex // one page is made at a time, so that the numbers in it belong together
	noting sync.Mutex
	log    io.Writer
}

type servedPage struct {
	Serial int64           `json:"serial"`
	Time   int64           `json:"time"` // nanoseconds since the epoch, when the page was made
	Page   json.RawMessage `json:"page"`
}

func (p *pages) ServeHTTP(writer http.ResponseWriter, request *http.Request) {
	number, made, page := p.make(request)
	writer.Header().Set("Content-Type", "application/json; charset=utf-8")
	writer.Header().Set("Content-Length", strconv.Itoa(len(page)))
	if _, err := writer.Write(page); err != nil {
		return
	}
	if err := http.NewResponseController(writer).Flush(); err != nil {
		return
	}
	p.note(servedPage{number, made.UnixNano(), page})
}

func (p *pages) make(request *http.Request) (int64, time.Time, []byte) {
	p.making.Lock()
	defer p.making.Unlock()
	serial.Add(1)
	requests.Add(1)
	counter.Add(3)
	hits.Add("total", 1)
	ratio.Set(1 / float64(serial.Value()))
	buffer := &capture{header: http.Header{}}
	made := time.Now()
	expvar.Handler().ServeHTTP(buffer, request)
	return serial.Value(), made, buffer.Bytes()
}

func (p *pages) note(page servedPage) {
	line, err := json.Marshal(page) // compacts the page to one line
	if err != nil {
		log.Fatal(err)
	}
	p.noting.Lock()
	defer p.noting.Unlock()
	if _, err := p.log.Write(append(line, '\n')); err != nil {
		log.Fatal(err)
	}
}

// capture is a http.ResponseWriter into memory.
type capture struct {
	bytes.Buffer
	header http.Header
}

func (c *capture) Header() http.Header { return c.header }

func (c *capture) WriteHeader(int) {}

// collect forces ?n= garbage collections and answers with the number of all so far.
func collect(writer http.ResponseWriter, request *http.Request) {
	count, err := strconv.Atoi(request.URL.Query().Get("n"))
	if err != nil || count < 0 {
		http.Error(writer, "/gc?n=NUMBER", http.StatusBadRequest)
		return
	}
	for i := 0; i < count; i++ {
		runtime.GC()
	}
	var statistics runtime.MemStats
	runtime.ReadMemStats(&statistics)
	fmt.Fprintln(writer, statistics.NumGC)
}

func openLog(path string) io.Writer {
	if path == "" {
		return io.Discard
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		log.Fatal(err)
	}
	return file
}

func main() {
	address := flag.String("addr", "127.0.0.1:0", "listen on `HOST:PORT`")
	path := flag.String("log", "", "append every completely served page to `FILE`")
	firstSerial := flag.Int64("serial", 0, "number of the page before the first")
	flag.Parse()

	publish(*firstSerial)
	mux := http.NewServeMux()
	mux.Handle("/debug/vars", &pages{log: openLog(*path)})
	mux.HandleFunc("/gc", collect)
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(listener)
	fmt.Println(listener.Addr())

	io.Copy(io.Discard, os.Stdin)
	patience, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	server.Shutdown(patience)
}
