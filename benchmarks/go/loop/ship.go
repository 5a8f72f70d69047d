package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"log"
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
	s.body.WriteString(`{"create":{"_index":"` + index + `","_id":"`)
	s.body.WriteString(next.id)
	s.body.WriteString("\"}}\n")
	if next.line != nil {
		s.body.Write(next.line.Bytes())
		lines.Put(next.line)
		s.count++
		return
	}
	line, err := json.Marshal(next.fields)
	if err != nil {
		line = []byte("{}") // its action stands already; no page leads here
	}
	s.body.Write(line)
	s.body.WriteByte('\n')
	s.count++
}

func (s *shipper) ship() {
	defer func() {
		s.body.Reset()
		s.count = 0
	}()
	recorded, err := s.send()
	if err != nil {
		log.Printf("bulk: %v", err)
	}
	delivered.Add(int64(recorded))
	refused.Add(int64(s.count - recorded))
}

// send posts the batch, and says how many documents of it are recorded.
func (s *shipper) send() (int, error) {
	body := &s.body
	if s.compress {
		body = packed(s.body.Bytes())
	}
	request, err := http.NewRequest(http.MethodPost, s.url, body)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/x-ndjson")
	if s.compress {
		request.Header.Set("Content-Encoding", "gzip")
	}
	response, err := s.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body) // to its end, or the connection would not be used again
	if err != nil {
		return 0, err
	}
	if response.StatusCode != http.StatusOK {
		return 0, errors.New(response.Status)
	}
	return count(text)
}

func count(answer []byte) (int, error) {
	var told struct {
		Items []struct{ Create struct{ Status int } }
	}
	err := json.Unmarshal(answer, &told)
	recorded := 0
	for _, item := range told.Items {
		if item.Create.Status < 300 {
			recorded++
		}
	}
	return recorded, err
}

func packed(body []byte) *bytes.Buffer {
	var made bytes.Buffer
	packer, _ := gzip.NewWriterLevel(&made, gzip.BestSpeed)
	packer.Write(body)
	packer.Close()
	return &made
}
