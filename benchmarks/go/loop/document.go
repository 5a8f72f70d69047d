package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

const longest = 16 // of a list that is kept

var numbers atomic.Int64

// A document is its id and its fields, or its line where that was made without them.
type document struct {
	id     string
	fields map[string]any
	line   *bytes.Buffer
}

// An identity is what the documents of one target have in common.
type identity struct{ address, host, agent string }

func newIdentity(url string) identity {
	host, _ := os.Hostname()
	return identity{address: url, host: host, agent: fmt.Sprintf("%08x", os.Getpid())}
}

func (i identity) id(arrived time.Time) string {
	return fmt.Sprintf("%011x-%s-%x", arrived.UnixMilli(), i.agent, numbers.Add(1))
}

// document flattens a page into dotted names; the long lists and the list of objects of memstats are left out.
func (i identity) document(page map[string]any, size int, started, arrived time.Time) document {
	fields := make(map[string]any, size)
	fields["@timestamp"] = arrived.UTC().Format(timeLayout)
	fields["event.duration"] = arrived.Sub(started).Nanoseconds()
	fields["event.dataset"] = "expvar"
	fields["service.name"] = "bench"
	fields["service.address"] = i.address
	fields["host.name"] = i.host
	fields["agent.id"] = i.agent
	fields["agent.name"] = i.host
	fields["agent.type"] = "expvastic"
	fields["agent.version"] = "0.1.0"
	delete(page, "cmdline")
	flatten("expvar.", page, fields)
	return document{id: i.id(arrived), fields: fields}
}

const timeLayout = "2006-01-02T15:04:05.000000Z"

func flatten(prefix string, values map[string]any, fields map[string]any) {
	for name, value := range values {
		switch value := value.(type) {
		case map[string]any:
			flatten(prefix+name+".", value, fields)
		case []any:
			if len(value) > 0 && len(value) < longest && !strings.HasPrefix(name, "BySize") {
				fields[prefix+name] = value
			}
		case nil:
		default:
			fields[prefix+name] = value
		}
	}
}
