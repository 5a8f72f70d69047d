// A program that publishes expvar, for the tests.
//
// It prints its address as the first line of standard output and ends when standard input is closed, after the pages
// that are being served. Every page carries a number of its own, "serial"; with -log, each page is written to that
// file, number and all, once it has been sent to the last byte: what a client got can be compared with it exactly.
// With -gc-log, every garbage collection is written to that file, as the runtime's rings tell it.
//
// What differs from start to start comes by the environment, so that the command line, which is on the page, does not:
// APP_ADDRESS to listen on, APP_SERIAL the number of the page before the first, APP_LIFE the number of the start.
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
	life     = expvar.NewInt("life")
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
	expvar.Publish("goroutines", expvar.Func(func() any { return runtime.NumGoroutine() }))
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
	gc     *collections
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
	p.gc.look() // after the page, so that no page tells of a collection that is not in the log
	return serial.Value(), made, buffer.Bytes()
}

func (p *pages) note(page servedPage) {
	p.noting.Lock()
	defer p.noting.Unlock()
	writeLine(p.log, page)
}

func writeLine(to io.Writer, what any) {
	line, err := json.Marshal(what) // compacts a page to one line
	if err != nil {
		log.Fatal(err)
	}
	if _, err := to.Write(append(line, '\n')); err != nil {
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

// collections forces garbage collections, and logs each that happened, forced or not.
type collections struct {
	forcing sync.Mutex
	looking sync.Mutex
	logged  uint32
	log     io.Writer
}

// collection is a line of the log. Lost says how many before it were overwritten unseen.
type collection struct {
	Life     int64  `json:"life"`
	Number   uint32 `json:"number"`   // from 1 in its life
	End      uint64 `json:"end"`      // nanoseconds since the epoch
	Duration uint64 `json:"duration"` // nanoseconds
	Lost     uint32 `json:"lost"`
}

// look logs what is new in the runtime's rings, and answers with the number of all collections so far.
func (c *collections) look() uint32 {
	c.looking.Lock()
	defer c.looking.Unlock()
	var statistics runtime.MemStats
	runtime.ReadMemStats(&statistics)
	var lost uint32
	if held := uint32(len(statistics.PauseEnd)); statistics.NumGC-c.logged > held {
		lost = statistics.NumGC - c.logged - held
		c.logged += lost
	}
	for ; c.logged < statistics.NumGC; lost = 0 {
		place := c.logged % uint32(len(statistics.PauseEnd))
		c.logged++
		end, duration := statistics.PauseEnd[place], statistics.PauseNs[place]
		writeLine(c.log, collection{life.Value(), c.logged, end, duration, lost})
	}
	return statistics.NumGC
}

var garbage [][]byte

// force makes garbage and collects it. Requests and -gc-every may ask for it at the same time.
func (c *collections) force() {
	c.forcing.Lock()
	defer c.forcing.Unlock()
	for i := 0; i < 1000; i++ {
		garbage = append(garbage, make([]byte, 256))
	}
	garbage = nil
	runtime.GC()
	c.look()
}

func (c *collections) forceEvery(pause time.Duration) {
	for range time.Tick(pause) {
		c.force()
	}
}

// ServeHTTP forces ?n= garbage collections and answers with the number of all so far.
func (c *collections) ServeHTTP(writer http.ResponseWriter, request *http.Request) {
	count, err := strconv.Atoi(request.URL.Query().Get("n"))
	if err != nil || count < 0 {
		http.Error(writer, "/gc?n=NUMBER", http.StatusBadRequest)
		return
	}
	for i := 0; i < count; i++ {
		c.force()
	}
	fmt.Fprintln(writer, c.look())
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

func fromEnvironment(name string) int64 {
	number, err := strconv.ParseInt(os.Getenv(name), 10, 64)
	if err != nil {
		log.Fatalf("%s: %v", name, err)
	}
	return number
}

func main() {
	path := flag.String("log", "", "append every completely served page to `FILE`")
	gcPath := flag.String("gc-log", "", "append every garbage collection to `FILE`")
	gcEvery := flag.Duration("gc-every", 0, "force a garbage collection every `DURATION`")
	flag.Parse()

	life.Set(fromEnvironment("APP_LIFE"))
	publish(fromEnvironment("APP_SERIAL"))
	gc := &collections{log: openLog(*gcPath)}
	if *gcEvery > 0 {
		go gc.forceEvery(*gcEvery)
	}
	mux := http.NewServeMux()
	mux.Handle("/debug/vars", &pages{log: openLog(*path), gc: gc})
	mux.Handle("/gc", gc)
	listener, err := net.Listen("tcp", os.Getenv("APP_ADDRESS"))
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
	gc.look()
}
