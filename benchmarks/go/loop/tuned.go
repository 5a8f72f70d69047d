package main

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// A tunedTarget does what a target does, as one who counts every microsecond would: the request is made once, buffers
// come out of pools, and one pass over the page writes the document (scanner.go). Where no word is said of a promise,
// it is not kept: numbers are copied as they stand, and a page that is none is found out only as far as it is read.
type tunedTarget struct {
	client  *http.Client
	request *http.Request
	identity
	fixed string // what all documents of this target have
}

// lines are buffers for documents that wait for their bulk.
var lines = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func newTunedTarget(client *http.Client, url string) *tunedTarget {
	request, _ := http.NewRequest(http.MethodGet, url, nil)
	i := newIdentity(url)
	fixed := fmt.Sprintf(`,"event.dataset":"expvar","service.name":"bench","service.address":%q,"host.name":%q,`+
		`"agent.id":%q,"agent.name":%q,"agent.type":"expvastic","agent.version":"0.1.0"`, i.address, i.host, i.agent, i.host)
	return &tunedTarget{client: client, request: request, identity: i, fixed: fixed}
}

func (t *tunedTarget) read() (document, error) {
	started := time.Now()
	response, err := t.client.Do(t.request)
	if err != nil {
		return document{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return document{}, fmt.Errorf("%s: %s", t.address, response.Status)
	}
	page := pages.Get().(*bytes.Buffer)
	defer pages.Put(page)
	page.Reset()
	if _, err := page.ReadFrom(response.Body); err != nil {
		return document{}, err
	}
	return t.line(page.Bytes(), started, time.Now())
}

func (t *tunedTarget) line(page []byte, started, arrived time.Time) (document, error) {
	line := lines.Get().(*bytes.Buffer)
	line.Reset()
	made := append(line.AvailableBuffer(), `{"@timestamp":"`...)
	made = arrived.UTC().AppendFormat(made, timeLayout)
	made = append(made, `","event.duration":`...)
	made = strconv.AppendInt(made, arrived.Sub(started).Nanoseconds(), 10)
	made = append(made, t.fixed...)
	scan := scanner{page: page, out: made}
	if !scan.whole() {
		return document{}, fmt.Errorf("%s: not a page", t.address)
	}
	line.Write(append(scan.out, "}\n"...))
	return document{id: t.id(arrived), line: line}, nil
}
