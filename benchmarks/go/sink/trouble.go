package main

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// trouble is a time in which nothing is taken.
type trouble struct {
	lock  sync.Mutex
	with  int
	until time.Time
}

// status is what to answer now; 0 if there is no trouble.
func (t *trouble) status() int {
	t.lock.Lock()
	defer t.lock.Unlock()
	if time.Now().Before(t.until) {
		return t.with
	}
	return 0
}

func (t *trouble) serve(w http.ResponseWriter, r *http.Request) {
	status, wrong := strconv.Atoi(r.URL.Query().Get("status"))
	seconds, alsoWrong := strconv.ParseFloat(r.URL.Query().Get("seconds"), 64)
	if wrong != nil || alsoWrong != nil {
		http.Error(w, "status and seconds are numbers", http.StatusBadRequest)
		return
	}
	t.lock.Lock()
	defer t.lock.Unlock()
	t.with, t.until = status, time.Now().Add(time.Duration(seconds*float64(time.Second)))
}
