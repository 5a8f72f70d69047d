// A destination that answers as Elasticsearch does to those who only write, and keeps nothing but numbers.
//
// GET /stats says what came since the last POST /reset: documents, duplicates, requests, bytes as they came and
// inflated, and the lag in milliseconds from a document's @timestamp to its acknowledgement; “known“ counts the ids
// since the start. GET /documents says no more than how many came. POST /trouble?status=429&seconds=5 lets it answer every bulk with that status for as long.
package main

import (
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"sync"
)

const product = `{"name":"sink","cluster_name":"sink","version":{"number":"9.1.0","build_flavor":"default"},` +
	`"tagline":"You Know, for Search"}`

func main() {
	port := flag.Int("port", 20999, "port")
	flag.Parse()
	numbers, trouble := newStatistics(), &trouble{}
	http.HandleFunc("/_bulk", func(w http.ResponseWriter, r *http.Request) { bulk(numbers, trouble, w, r) })
	http.HandleFunc("/trouble", trouble.serve)
	for _, kind := range []string{"index_template", "component_template"} {
		templates := &templates{kind: kind, known: map[string]string{}}
		http.HandleFunc("/_"+kind+"/", templates.serve)
	}
	http.HandleFunc("/_resolve/index/", func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, 404, []byte(`{"error":{"type":"index_not_found_exception","reason":"no such index"},"status":404}`))
	})
	http.HandleFunc("/stats", func(w http.ResponseWriter, _ *http.Request) { w.Write(numbers.report()) })
	http.HandleFunc("/documents", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, numbers.count()) })
	http.HandleFunc("/reset", func(http.ResponseWriter, *http.Request) { numbers.reset() })
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { answer(w, r, 200, []byte(product)) })
	log.Fatal(http.ListenAndServe(fmt.Sprintf("127.0.0.1:%d", *port), nil))
}

// answer sends JSON, compressed for those who take it, as Elasticsearch does.
func answer(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	w.Header().Set("Content-Type", "application/json")
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.WriteHeader(status)
		w.Write(body)
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	w.WriteHeader(status)
	packer := packers.Get().(*gzip.Writer)
	defer packers.Put(packer)
	packer.Reset(w)
	packer.Write(body)
	packer.Close()
}

var packers = sync.Pool{New: func() any {
	packer, _ := gzip.NewWriterLevel(nil, 3)
	return packer
}}

// templates keeps what was put, for whoever asks.
type templates struct {
	kind  string
	lock  sync.Mutex
	known map[string]string
}

func (t *templates) serve(w http.ResponseWriter, r *http.Request) {
	t.lock.Lock()
	defer t.lock.Unlock()
	name := strings.TrimPrefix(r.URL.Path, "/_"+t.kind+"/")
	if r.Method == http.MethodPut {
		body, _ := io.ReadAll(r.Body)
		t.known[name] = string(body)
		answer(w, r, 200, []byte(`{"acknowledged":true}`))
		return
	}
	if known, ok := t.known[name]; ok {
		answer(w, r, 200, []byte(fmt.Sprintf(`{"%ss":[{"name":%q,%q:%s}]}`, t.kind, name, t.kind, known)))
		return
	}
	answer(w, r, 404, []byte(`{"error":{"type":"resource_not_found_exception","reason":"no such template"},"status":404}`))
}
