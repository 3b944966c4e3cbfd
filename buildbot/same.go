package buildbot

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	v2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/job/contract"
)

// record is what lists are made of.
type record interface {
	// key tells a record from the others of its sort.
	key() key
	// check says which of its fields do not fit together.
	check() error
	// field is the value of a field by which a list can be asked for: a string, a
	// bool or an int64. Nil is any other field.
	field(name string) any
	// at is the newest moment that it tells of, by the master's clock; 0 for none.
	at() Epoch
}

// key is an id, or a name where there is no id.
type key struct {
	id   int64
	name string
}

// kind is a sort of record in the answers of one endpoint.
type kind[T record] struct {
	is     contract.Any
	decode func(contract.Asked, []byte) ([]T, error)
}

// records makes the endpoint of an answer that is a list of records; plural is the
// member that holds them.
func records[A any, T record](name, address, plural string, of func(*A) []T) kind[T] {
	e := contract.New(contract.Endpoint[A]{
		Source: contractSource, Name: name, URL: address,
		Asks: func(q url.Values) bool { return !q.Has("field") }, // whole records
		Same: func(asked contract.Asked, a *A) error { return same(asked, plural, of(a)) },
	})
	return kind[T]{e, func(asked contract.Asked, body []byte) ([]T, error) {
		a, err := e.Decode(asked, body)
		if err != nil {
			return nil, err
		}
		return of(a), nil
	}}
}

// same reports what a list has that was not asked for: records whose fields do not
// fit together, or that the address and its filters exclude; a record that comes
// twice and differs; a page that is too long, or that has the wrong end of the list.
func same[T record](asked contract.Asked, plural string, all []T) error {
	u, err := url.Parse(asked.URL)
	if err != nil {
		return err
	}
	query := u.Query()
	filters := filtersOf(asked, query)
	first := make(map[key]int, len(all))
	for i, r := range all {
		err := sameRecord(r, filters)
		j, twice := first[r.key()]
		switch {
		case !twice:
			first[r.key()] = i
		case err == nil && !reflect.DeepEqual(all[j], r):
			err = contract.Outside("", "it comes twice, and differs from %s[%d]", plural, j)
		}
		var known *contract.Error
		if errors.As(err, &known) {
			known.Path = strings.TrimSuffix(fmt.Sprintf("%s[%d].%s", plural, i, known.Path), ".")
		}
		if err != nil {
			return err
		}
	}
	return samePage(query, plural, all, len(first))
}

func sameRecord(r record, filters []filter) error {
	for _, f := range filters {
		if v := r.field(f.field); v != nil && !f.holds(v) {
			return contract.Differs(f.field, v, f.asked)
		}
	}
	return r.check()
}

// samePage holds the bounds of a page that was asked for. Whether the master put the
// newest first shows where a page is full, and is in the order of the ids: its first
// page has the oldest then. The order in which changes are listed tells nothing, as
// Buildbot turns it around.
func samePage[T record](query url.Values, plural string, all []T, count int) error {
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil || limit < 1 {
		return nil //nolint:nilerr // no page was asked for
	}
	if count > limit {
		return contract.Outside(plural, "%d records, asked for at most %d", count, limit)
	}
	newest := strings.HasPrefix(query.Get("order"), "-") && plural != "changes"
	ascending := slices.IsSortedFunc(all, func(a, b T) int { return int(a.key().id - b.key().id) })
	if newest && count == limit && count > 1 && ascending {
		return contract.Outside(plural, "the oldest first, asked for the newest")
	}
	return nil
}

// filter is what an address says of all records.
type filter struct {
	field, asked string
	holds        func(v any) bool
}

// filtersOf are the filters of a path and of a query. What else a query can have,
// and comparisons that mozci does not ask for, are no filters here; nor is "in", which
// some masters do not know: see among.
func filtersOf(asked contract.Asked, query url.Values) []filter {
	var out []filter
	for _, name := range []string{"builderid", "buildrequestid", "buildid", "stepid", "number"} {
		if v := asked.Var(name); v != "" {
			out = append(out, filterOf(name, "", []string{v}))
		}
	}
	for name, values := range query {
		field, op, _ := strings.Cut(name, "__")
		if f := filterOf(field, op, values); f.holds != nil {
			out = append(out, f)
		}
	}
	return out
}

func filterOf(field, op string, values []string) filter {
	const few = 5
	f := filter{field: field, asked: strings.TrimSpace(op + " " + strings.Join(values[:min(few, len(values))], " "))}
	if len(values) > few {
		f.asked += fmt.Sprintf(" and %d more", len(values)-few)
	}
	bound, _ := strconv.ParseInt(values[0], 10, 64)
	number := func(is func(int64) bool) func(any) bool {
		return func(v any) bool { n, ok := v.(int64); return ok && is(n) }
	}
	switch op {
	case "", "eq":
		f.holds = oneOf(values)
	case "contains":
		f.holds = func(v any) bool {
			return strings.Contains(strings.ToLower(fmt.Sprint(v)), strings.ToLower(values[0]))
		}
	case "lt":
		f.holds = number(func(n int64) bool { return n < bound })
	case "le":
		f.holds = number(func(n int64) bool { return n <= bound })
	case "gt":
		f.holds = number(func(n int64) bool { return n > bound })
	case "ge":
		f.holds = number(func(n int64) bool { return n >= bound })
	}
	return f
}

// oneOf holds for what is one of the values. Databases compare text with and
// without regard to case: both will do.
func oneOf(values []string) func(any) bool {
	set := make(map[string]bool, len(values))
	for _, v := range values {
		set[strings.ToLower(v)] = true
	}
	return func(v any) bool {
		switch v := v.(type) {
		case int64:
			return set[strconv.FormatInt(v, 10)]
		case bool:
			return set[strconv.FormatBool(v)]
		case string:
			return set[strings.ToLower(v)]
		}
		return true
	}
}

// sameCall holds that an answer is that to the call, and that what was asked for
// was made: one request, for the builder that was asked.
func sameCall(asked contract.Asked, a *called) error {
	var call struct {
		ID     jsontext.Value `json:"id"`
		Method string         `json:"method"`
		Params struct {
			Builder any `json:"builderid"`
		} `json:"params"`
	}
	if err := v2.Unmarshal(asked.Body, &call); err != nil {
		return err
	}
	switch {
	case !bytes.Equal(call.ID, a.ID):
		return contract.Differs("id", string(a.ID), string(call.ID))
	case call.Method != methodForce && call.Method != methodRebuild:
		return nil // nothing is made
	case a.Result == nil:
		return contract.Outside("result", "null, expected a buildset's id and its requests by builder")
	case call.Method == methodForce && call.Params.Builder == nil:
		return nil // by the names of several builders, which mozci does not do
	case len(a.Result.Requests) != 1:
		return contract.Outside("result", "%d requests, asked for 1", len(a.Result.Requests))
	}
	for builder := range a.Result.Requests {
		if call.Params.Builder != nil && fmt.Sprint(call.Params.Builder) != strconv.Itoa(builder) {
			return contract.Differs("result", builder, call.Params.Builder)
		}
	}
	return nil
}

// The calls that make something.
const (
	methodForce   = "force"
	methodRebuild = "rebuild"
)
