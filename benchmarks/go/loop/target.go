package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// pages are buffers for the bodies of answers: io.ReadAll would grow a new one each time.
var pages = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// A target is polled in the ordinary way.
type target struct {
	client *http.Client
	url    string
	identity
	size int // fields of the last document
}

func (t *target) read() (document, error) {
	started := time.Now()
	page, err := t.fetch()
	if err != nil {
		return document{}, err
	}
	made := t.identity.document(page, t.size, started, time.Now())
	t.size = len(made.fields)
	return made, nil
}

func (t *target) fetch() (map[string]any, error) {
	response, err := t.client.Get(t.url)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", t.url, response.Status)
	}
	body := pages.Get().(*bytes.Buffer)
	defer pages.Put(body)
	body.Reset()
	if _, err := body.ReadFrom(response.Body); err != nil {
		return nil, err
	}
	var page map[string]any
	err = json.Unmarshal(body.Bytes(), &page)
	return page, err
}
