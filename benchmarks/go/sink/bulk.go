package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

var (
	indexKey = []byte(`"_index":"`)
	idKey    = []byte(`"_id":"`)
	timeKey  = []byte(`"@timestamp":"`)
)

// bulk answers as Elasticsearch does, or, while there is trouble, as it does then.
func bulk(numbers *statistics, trouble *trouble, w http.ResponseWriter, r *http.Request) {
	if status := trouble.status(); status != 0 {
		reason := `{"error":{"type":"es_rejected_execution_exception","reason":"trouble"},"status":%d}`
		io.Copy(io.Discard, r.Body)
		answer(w, r, status, []byte(fmt.Sprintf(reason, status)))
		return
	}
	take(numbers, w, r)
}

// take answers one item per document, in order, with what filter_path lets through.
func take(numbers *statistics, w http.ResponseWriter, r *http.Request) {
	came, body, err := receive(r)
	if err != nil {
		answer(w, r, 400, []byte(`{"error":{"type":"parse_exception","reason":"request body"},"status":400}`))
		return
	}
	show := filter(r.URL.Query().Get("filter_path"))
	var items bytes.Buffer
	var times []time.Time
	failed, count := false, 0
	for ; len(body) > 0; count++ {
		var action, document []byte
		action, body = line(body)
		document, body = line(body)
		status, id := 201, text(action, idKey)
		if !numbers.isNew(id) {
			status, failed = 409, true
		}
		if items.Len() > 0 {
			items.WriteByte(',')
		}
		show.item(&items, operation(action), text(action, indexKey), id, status)
		if at, err := time.Parse(time.RFC3339Nano, string(text(document, timeKey))); err == nil {
			times = append(times, at)
		}
	}
	answer(w, r, 200, show.whole(items.Bytes(), failed))
	numbers.add(count, times, came, r.ContentLength)
}

// receive gives how many bytes the body has once inflated, and the body.
func receive(r *http.Request) (int, []byte, error) {
	var source io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		inflated, err := gzip.NewReader(r.Body)
		if err != nil {
			return 0, nil, err
		}
		source = inflated
	}
	body, err := io.ReadAll(source)
	return len(body), body, err
}

func line(body []byte) ([]byte, []byte) {
	first, rest, _ := bytes.Cut(body, []byte{'\n'})
	return first, rest
}

// text is the string that stands behind a key; empty if it does not.
func text(data, key []byte) []byte {
	_, after, found := bytes.Cut(data, key)
	if !found {
		return nil
	}
	value, _, _ := bytes.Cut(after, []byte{'"'})
	return value
}

// operation is what an action line asks for; its name is the first string in it.
func operation(action []byte) []byte {
	_, after, _ := bytes.Cut(action, []byte{'"'})
	name, _, _ := bytes.Cut(after, []byte{'"'})
	return name
}

// A view is what filter_path lets through of an answer.
type view struct{ all, errors, status, index bool }

func filter(paths string) view {
	if paths == "" {
		return view{all: true}
	}
	var show view
	for _, path := range strings.Split(paths, ",") {
		show.errors = show.errors || path == "errors"
		show.status = show.status || path == "items.*.status"
		show.index = show.index || path == "items.*._index"
	}
	return show
}

func (v view) item(w *bytes.Buffer, operation, index, id []byte, status int) {
	switch {
	case v.all:
		fmt.Fprintf(w, `{"%s":{"_index":"%s","_id":"%s","_version":1,"result":"created",`+
			`"_shards":{"total":2,"successful":1,"failed":0},"_seq_no":1,"_primary_term":1,"status":%d}}`,
			operation, index, id, status)
	case v.index && v.status:
		fmt.Fprintf(w, `{"%s":{"_index":"%s","status":%d}}`, operation, index, status)
	case v.status:
		fmt.Fprintf(w, `{"%s":{"status":%d}}`, operation, status)
	}
}

func (v view) whole(items []byte, failed bool) []byte {
	var answer bytes.Buffer
	answer.WriteByte('{')
	if v.all {
		answer.WriteString(`"took":3,`)
	}
	if v.all || v.errors {
		fmt.Fprintf(&answer, `"errors":%t,`, failed)
	}
	fmt.Fprintf(&answer, `"items":[%s]}`, items)
	return answer.Bytes()
}
