package main

import (
	"expvar"
	"fmt"
	"io"
	"net/http"
	"runtime"
)

const ringSize = 256 // of a runtime's memory of garbage collections

// A page is what expvar publishes, name by name.
type page []struct{ name, value string }

// write does as expvar's own handler does, to the number of calls.
func (p page) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	p.print(w)
}

func (p page) print(w io.Writer) {
	fmt.Fprintf(w, "{\n")
	for i, each := range p {
		if i > 0 {
			fmt.Fprintf(w, ",\n")
		}
		fmt.Fprintf(w, "%q: %s", each.name, each.value)
	}
	fmt.Fprintf(w, "\n}\n")
}

func (p page) size() int {
	var length counter
	p.print(&length)
	return int(length)
}

type counter int

func (c *counter) Write(data []byte) (int, error) {
	*c += counter(len(data))
	return len(data), nil
}

var ticks int64 // how many pages there have been

// publish is what an ordinary service has beside memstats; with large it also has a map of many shards.
func publish(large bool) {
	expvar.Publish("goroutines", expvar.Func(func() any { return runtime.NumGoroutine() }))
	expvar.Publish("load", expvar.Func(func() any { return 0.5 + float64(ticks%40)/100 }))
	expvar.NewString("version").Set("1.2.3")
	expvar.Publish("requests", expvar.Func(func() any {
		requests := map[string]int64{}
		for i := int64(0); i < 12; i++ {
			requests[fmt.Sprintf("/api/v1/resource_%d", i)] = 100_000*(i+1) + ticks*(7+i)
		}
		return requests
	}))
	expvar.Publish("app", expvar.Func(func() any {
		workers := map[string]any{}
		for i := int64(0); i < 6; i++ {
			workers[fmt.Sprintf("worker_%d", i)] = map[string]any{
				"hits": 128_162*(i+1) + ticks*3, "latency_p99": 38.065718929968604 + float64(ticks%17)/3, "state": "ok",
			}
		}
		return workers
	}))
	if large {
		expvar.Publish("bigmap", expvar.Func(shards))
	}
}

func shards() any {
	all := map[string]any{}
	for i := int64(0); i < 60; i++ {
		shard := map[string]any{"name": fmt.Sprintf("shard-%d", i)}
		for j := int64(0); j < 6; j++ {
			shard[fmt.Sprintf("counter_%d", j)] = 342_231_109 + 1_000_003*i*j + ticks*(j+1)
		}
		for j := int64(0); j < 4; j++ {
			shard[fmt.Sprintf("latency_ms_q%d", j)] = 293.11424455385804 + float64((ticks+i+j)%29)/7
		}
		all[fmt.Sprintf("shard_%03d", i)] = shard
	}
	return all
}

// capture makes the pages of a program that has run for long enough to have its rings full.
func capture(count, collect int) []page {
	for i := 0; i < ringSize+50; i++ {
		runtime.GC()
	}
	pages := make([]page, 0, count)
	for ; ticks < int64(count); ticks++ {
		if ticks%int64(collect) == int64(collect)-1 {
			runtime.GC()
		}
		var made page
		expvar.Do(func(each expvar.KeyValue) {
			made = append(made, struct{ name, value string }{each.Key, each.Value.String()})
		})
		pages = append(pages, made)
	}
	return pages
}
