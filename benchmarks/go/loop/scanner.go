package main

import "bytes"

// A scanner goes over a page once and appends its values, under dotted names, to a document that has been begun. It
// leaves out what the ordinary way leaves out: cmdline, null, long and empty lists, and lists of objects.
type scanner struct {
	page []byte
	at   int
	name [256]byte
	out  []byte
}

func (s *scanner) whole() bool {
	s.space()
	return s.object(copy(s.name[:], `"expvar.`))
}

// object takes the members of an object whose name has so many bytes.
func (s *scanner) object(length int) bool {
	if !s.take('{') {
		return false
	}
	for s.space(); s.more('}'); s.space() {
		key, ok := s.text()
		if !ok || length+len(key)+2 > len(s.name) {
			return false
		}
		s.space()
		if !s.take(':') {
			return false
		}
		s.space()
		named := length + copy(s.name[length:], key[1:])
		if !s.member(length, named, key) {
			return false
		}
	}
	return s.take('}')
}

// member takes a value; the name to its closing quote has so many bytes.
func (s *scanner) member(outer, named int, key []byte) bool {
	if s.at >= len(s.page) {
		return false
	}
	switch s.page[s.at] {
	case '{':
		s.name[named-1] = '.'
		return s.object(named)
	case '[':
		begun := len(s.out)
		s.begin(named)
		kept, ok := s.list()
		if !kept || (outer == len(`"expvar.`) && string(key) == `"cmdline"`) {
			s.out = s.out[:begun]
		}
		return ok
	case '"':
		text, ok := s.text()
		s.begin(named)
		s.out = append(s.out, text...)
		return ok
	}
	value := s.scalar()
	if string(value) != "null" {
		s.begin(named)
		s.out = append(s.out, value...)
	}
	return len(value) > 0
}

func (s *scanner) begin(named int) {
	s.out = append(s.out, ',')
	s.out = append(s.out, s.name[:named]...)
	s.out = append(s.out, ':')
}

// list appends a list, and says whether it is to be kept and whether it is one.
func (s *scanner) list() (bool, bool) {
	from, count := s.at, 0
	s.at++
	for s.space(); s.more(']'); s.space() {
		if count++; count == longest {
			return false, s.skip(from)
		}
		switch s.page[s.at] {
		case '{', '[':
			return false, s.skip(from)
		case '"':
			if _, ok := s.text(); !ok {
				return false, false
			}
		default:
			if len(s.scalar()) == 0 {
				return false, false
			}
		}
	}
	if !s.take(']') {
		return false, false
	}
	s.out = append(s.out, s.page[from:s.at]...)
	return count > 0, true
}

// skip goes to the end of the list that begins at a place.
func (s *scanner) skip(from int) bool {
	s.at = from
	for depth := 0; s.at < len(s.page); {
		switch s.page[s.at] {
		case '"':
			if _, ok := s.text(); !ok {
				return false
			}
			continue
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		}
		if s.at++; depth == 0 {
			return true
		}
	}
	return false
}

// text takes a string, quotes and escapes as they stand.
func (s *scanner) text() ([]byte, bool) {
	from := s.at
	if !s.take('"') {
		return nil, false
	}
	for {
		end := bytes.IndexByte(s.page[s.at:], '"')
		if end < 0 {
			return nil, false
		}
		s.at += end + 1
		escapes := 0
		for s.page[s.at-2-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return s.page[from:s.at], true
		}
	}
}

func (s *scanner) scalar() []byte {
	from := s.at
	for s.at < len(s.page) {
		switch s.page[s.at] {
		case ',', '}', ']', ' ', '\n', '\t', '\r':
			return s.page[from:s.at]
		}
		s.at++
	}
	return nil
}

// more goes over a comma, and says whether the object or list has not ended.
func (s *scanner) more(end byte) bool {
	if s.at < len(s.page) && s.page[s.at] == ',' {
		s.at++
		s.space()
	}
	return s.at < len(s.page) && s.page[s.at] != end
}

func (s *scanner) take(wanted byte) bool {
	if s.at >= len(s.page) || s.page[s.at] != wanted {
		return false
	}
	s.at++
	return true
}

func (s *scanner) space() {
	for s.at < len(s.page) && s.page[s.at] <= ' ' {
		s.at++
	}
}
