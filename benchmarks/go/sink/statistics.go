package main

import (
	"encoding/json"
	"hash/maphash"
	"sort"
	"sync"
	"time"
)

// statistics counts what came. Ids are known for good, the rest until a reset.
type statistics struct {
	lock       sync.Mutex
	seed       maphash.Seed
	ids        map[uint64]struct{}
	documents  int
	duplicates int
	requests   int
	bytes      int64
	inflated   int64
	lags       []float64 // milliseconds
}

func newStatistics() *statistics {
	return &statistics{seed: maphash.MakeSeed(), ids: map[uint64]struct{}{}}
}

// isNew says whether an id has not come before; a document without one gets its own, and is new.
func (s *statistics) isNew(id []byte) bool {
	if len(id) == 0 {
		return true
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	known := maphash.Bytes(s.seed, id)
	if _, found := s.ids[known]; found {
		s.duplicates++
		return false
	}
	s.ids[known] = struct{}{}
	return true
}

func (s *statistics) add(documents int, times []time.Time, inflated int, sent int64) {
	now := time.Now()
	s.lock.Lock()
	defer s.lock.Unlock()
	s.documents += documents
	s.requests++
	s.bytes += sent
	s.inflated += int64(inflated)
	for _, each := range times {
		s.lags = append(s.lags, float64(now.Sub(each).Microseconds())/1000)
	}
}

func (s *statistics) count() int {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.documents
}

func (s *statistics) reset() {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.documents, s.duplicates, s.requests, s.bytes, s.inflated, s.lags = 0, 0, 0, 0, 0, nil
}

func (s *statistics) report() []byte {
	s.lock.Lock()
	lags := append([]float64(nil), s.lags...)
	told := map[string]any{
		"documents": s.documents, "duplicates": s.duplicates, "known": len(s.ids),
		"requests": s.requests, "bytes": s.bytes, "inflated": s.inflated,
	}
	s.lock.Unlock()
	sort.Float64s(lags)
	for name, share := range map[string]float64{"lag_p50": 0.5, "lag_p99": 0.99, "lag_max": 1} {
		if len(lags) > 0 {
			told[name] = lags[int(share*float64(len(lags)-1))]
		}
	}
	report, _ := json.Marshal(told)
	return report
}
