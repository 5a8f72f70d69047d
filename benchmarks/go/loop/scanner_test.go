package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestTheTunedTargetMakesTheDocumentOfTheOrdinaryOne(t *testing.T) {
	samples, _ := filepath.Glob("../../../tests/pages/samples/go-expvar-*.json")
	if len(samples) == 0 {
		t.Fatal("no samples")
	}
	for _, sample := range samples {
		body, err := os.ReadFile(sample)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		ordinary, tuned := ordinaryLine(t, body, now), tunedLine(t, body, now)
		if !bytes.Equal(ordinary, tuned) {
			t.Errorf("%s:\n%s\n%s", sample, ordinary, tuned)
		}
	}
}

func TestTheTunedTargetTakesNoPageThatEndsTooEarly(t *testing.T) {
	page := []byte(`{"a": {"b": [1, 2], "c": "x\\\"y", "d": [{"e": 1}]}, "f": null}`)
	target := newTunedTarget(nil, "http://target")
	if _, err := target.line(page, time.Now(), time.Now()); err != nil {
		t.Fatal(err)
	}
	for size := range page {
		if _, err := target.line(page[:size], time.Now(), time.Now()); err == nil {
			t.Errorf("taken: %s", page[:size])
		}
	}
}

func ordinaryLine(t *testing.T, body []byte, now time.Time) []byte {
	var page map[string]any
	if err := json.Unmarshal(body, &page); err != nil {
		t.Fatal(err)
	}
	line, err := json.Marshal(newIdentity("http://target").document(page, 0, now, now).fields)
	if err != nil {
		t.Fatal(err)
	}
	return sorted(t, line)
}

func tunedLine(t *testing.T, body []byte, now time.Time) []byte {
	made, err := newTunedTarget(nil, "http://target").line(body, now, now)
	if err != nil {
		t.Fatal(err)
	}
	return sorted(t, made.line.Bytes())
}

func sorted(t *testing.T, line []byte) []byte {
	var fields map[string]any
	if err := json.Unmarshal(line, &fields); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	again, _ := json.Marshal(fields)
	return again
}
