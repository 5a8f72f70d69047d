package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

const (
	batchCount = 500
	batchBytes = 5_000_000
	batchWait  = time.Second
	index      = "metrics-bench-default"
	paths      = "errors,items.*.status,items.*._index,items.*.failure_store,items.*.error.type,items.*.error.reason," +
		"items.*.error.caused_by.type,items.*.error.caused_by.reason"
)

// A shipper writes documents in bulks, one after the other.
type shipper struct {
	documents chan document
	client    *http.Client
	url       string
	compress  bool
	body      bytes.Buffer
	count     int
}

func newShipper(sink string, compress bool) *shipper {
	return &shipper{
		documents: make(chan document, 10_000),
		client:    &http.Client{Timeout: 30 * time.Second},
		url:       sink + "/_bulk?filter_path=" + paths,
		compress:  compress,
	}
}

// run ships a batch when it is full, or when its first document has waited long enough.
func (s *shipper) run() {
	timer := time.NewTimer(batchWait)
	timer.Stop()
	for {
		select {
		case next := <-s.documents:
			if s.count == 0 {
				timer.Reset(batchWait)
			}
			s.add(next)
			if s.count >= batchCount || s.body.Len() >= batchBytes {
				if !timer.Stop() {
					select {
					case <-timer.C:
					default:
					}
				}
				s.ship()
			}
		case <-timer.C:
			s.ship()
		}
	}
}

func (s *shipper) add(next document) {
	line, err := json.Marshal(next.fields)
	if err != nil {
		refused.Add(1)
		return
	}
	fmt.Fprintf(&s.body, `{"create":{"_index":%q,"_id":%q}}`+"\n", index, next.id)
	s.body.Write(line)
	s.body.WriteByte('\n')
	s.count++
}

func (s *shipper) ship() {
	defer func() {
		s.body.Reset()
		s.count = 0
	}()
	body := &s.body
	if s.compress {
		body = packed(s.body.Bytes())
	}
	request, _ := http.NewRequest(http.MethodPost, s.url, body)
	request.Header.Set("Content-Type", "application/x-ndjson")
	if s.compress {
		request.Header.Set("Content-Encoding", "gzip")
	}
	response, err := s.client.Do(request)
	if err != nil {
		refused.Add(int64(s.count))
		return
	}
	defer response.Body.Close()
	var answer struct {
		Errors bool
		Items  []map[string]struct{ Status int }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || response.StatusCode != http.StatusOK {
		refused.Add(int64(s.count))
		return
	}
	for _, item := range answer.Items {
		if item["create"].Status < 300 {
			delivered.Add(1)
		} else {
			refused.Add(1)
		}
	}
}

func packed(body []byte) *bytes.Buffer {
	var made bytes.Buffer
	packer, _ := gzip.NewWriterLevel(&made, gzip.BestSpeed)
	packer.Write(body)
	packer.Close()
	return &made
}
