package sse

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// A Problem says what went wrong: a problem document (RFC 9457,
// application/problem+json). Servers answer with it where no byte of a stream has
// been sent; afterwards it is the data of a [ControlError] event. Clients read it
// back. A *Problem is an error.
type Problem struct {
	// Type is a URI that names the kind of problem; "" means "about:blank", a
	// problem that the status describes well enough.
	Type string
	// Title names the kind of problem in a few words.
	Title string
	// Status is the HTTP status; 0 if none was given.
	Status int
	// Detail says what was wrong this time and what to do.
	Detail string
	// Instance is a URI that names this occurrence of the problem.
	Instance string
	// Parameter names the query parameter, form field or header at fault.
	Parameter string
	// Offered lists what could be asked for instead.
	Offered []string
	// Extensions holds all other members. A name that is also one of the fields
	// above is not written.
	Extensions map[string]json.RawMessage
}

// Error returns the status, the title and the detail. If p has no words, it
// returns the type instead.
func (p *Problem) Error() string {
	s := "sse: problem"
	if p.Status != 0 {
		s += " " + strconv.Itoa(p.Status)
	}
	return s + ": " + p.Message()
}

// Message returns the title and the detail, or the type if p has neither.
func (p *Problem) Message() string {
	switch {
	case p.Title != "" && p.Detail != "":
		return p.Title + ": " + p.Detail
	case p.Title != "":
		return p.Title
	case p.Detail != "":
		return p.Detail
	case p.Type != "":
		return p.Type
	}
	return "about:blank"
}

// Control returns the event that carries p.
func (p *Problem) Control() Control { return Control{Name: ControlError, Data: p} }

// members are the fields of a Problem in the order in which they are written.
type members struct {
	Type      string   `json:"type,omitempty"`
	Title     string   `json:"title"`
	Status    int      `json:"status"`
	Detail    string   `json:"detail,omitempty"`
	Instance  string   `json:"instance,omitempty"`
	Parameter string   `json:"parameter,omitempty"`
	Offered   []string `json:"offered,omitempty"`
}

var memberNames = []string{"type", "title", "status", "detail", "instance", "parameter", "offered"}

// MarshalJSON writes title and status always, every other field if it is set, and
// then the extensions, sorted by name. It fails if an extension is not JSON.
func (p Problem) MarshalJSON() ([]byte, error) {
	b, err := json.Marshal(members{p.Type, p.Title, p.Status, p.Detail, p.Instance, p.Parameter, p.Offered})
	if err != nil || len(p.Extensions) == 0 {
		return b, err
	}
	b = b[:len(b)-1]
	for _, name := range slices.Sorted(maps.Keys(p.Extensions)) {
		if slices.Contains(memberNames, name) {
			continue
		}
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(p.Extensions[name])
		if err != nil {
			return nil, err
		}
		b = append(append(append(append(b, ','), key...), ':'), value...)
	}
	return append(b, '}'), nil
}

// UnmarshalJSON reads a problem object. As RFC 9457, section 3.1, demands, a
// member whose type is wrong is ignored. It fails only for what is not an object.
func (p *Problem) UnmarshalJSON(data []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	*p = Problem{}
	for i, dst := range []any{&p.Type, &p.Title, &p.Status, &p.Detail, &p.Instance, &p.Parameter, &p.Offered} {
		name := memberNames[i]
		if raw, ok := all[name]; ok {
			setMember(dst, raw)
			delete(all, name)
		}
	}
	if p.Type == "" {
		p.Type = "about:blank"
	}
	if len(all) > 0 {
		p.Extensions = all
	}
	return nil
}

// setMember sets *dst to the value, unless its type is wrong.
func setMember(dst any, raw json.RawMessage) {
	switch dst := dst.(type) {
	case *string:
		var v string
		if json.Unmarshal(raw, &v) == nil {
			*dst = v
		}
	case *int:
		var v int
		if json.Unmarshal(raw, &v) == nil {
			*dst = v
		}
	case *[]string:
		var v []string
		if json.Unmarshal(raw, &v) == nil {
			*dst = v
		}
	}
}

// ParseProblem reads a problem document, or the data of a [ControlError] event.
// It returns nil if data is not a JSON object.
func ParseProblem(data []byte) *Problem {
	var p *Problem // stays nil for the JSON value null
	if json.Unmarshal(data, &p) != nil {
		return nil
	}
	return p
}
