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

// record is one element of a list.
type record interface {
	// key identifies the record among others of its type.
	key() key
	// check returns an error when its fields do not fit together.
	check() error
	// field is the value of a field that requests filter by: a string, a bool or an
	// int64. It is nil for any other field.
	field(name string) any
	// at is the latest time in the record, by the master's clock; 0 for none.
	at() Epoch
}

// key is an id, or a name for records without one.
type key struct {
	id   int64
	name string
}

// kind is a type of record in the answers of one endpoint, with its contract and its decoder.
type kind[T record] struct {
	is     contract.Any
	decode func(contract.Asked, []byte) ([]T, error)
}

// records makes the endpoint of an answer that is a list of records. plural is the member with
// the list, and of takes it out of the decoded answer.
func records[A any, T record](name, address, plural string, of func(*A) []T) kind[T] {
	e := contract.New(contract.Endpoint[A]{
		Source: contractSource, Name: name, URL: address,
		Asks: func(q url.Values) bool { return !q.Has("field") }, // with "field", records are not whole
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

// same checks that a list answers its request. Each record's fields must fit together, and must
// satisfy the path and the filters of the URL. A record that comes twice must be the same both
// times. The page must not be too long, and must be from the right end of the list.
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
			err = contract.Outside("", "it comes twice and differs from %s[%d]", plural, j)
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

// sameRecord checks one record against the filters and itself.
func sameRecord(r record, filters []filter) error {
	for _, f := range filters {
		if v := r.field(f.field); v != nil && !f.holds(v) {
			return contract.Differs(f.field, v, f.asked)
		}
	}
	return r.check()
}

// samePage checks a page against its limit and order. When the newest records were requested
// and a full page has ascending ids, the master has ignored the order, and the page has the
// oldest records instead. For changes that cannot be seen, as Buildbot reverses their order
// within a page.
//
// For limit 3 and order -buildid:
//
//	9, 8, 7       right
//	9, 8          right: the page is not full, so these are all
//	1, 2, 3       refused: the oldest, oldest first
//	1, 2          right: the order is not clear from a page with all records, and does not matter
//	9, 8, 7, 6    refused: too long
func samePage[T record](query url.Values, plural string, all []T, count int) error {
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil || limit < 1 {
		return nil //nolint:nilerr // the request has no limit
	}
	if count > limit {
		return contract.Outside(plural, "%d records, although the limit is %d", count, limit)
	}
	newest := strings.HasPrefix(query.Get("order"), "-") && plural != "changes"
	ascending := slices.IsSortedFunc(all, func(a, b T) int { return int(a.key().id - b.key().id) })
	if newest && count == limit && count > 1 && ascending {
		return contract.Outside(plural, "the oldest records first, but the newest were requested")
	}
	return nil
}

// filter is a condition in a URL that every record of the answer must satisfy.
type filter struct {
	field, asked string // asked is the condition as text, for errors
	holds        func(v any) bool
}

// filtersOf returns the filters in a path (builders/3/builds) and in a query (complete=false,
// changeid__lt=20). Other parameters are no filters, nor are comparisons that mozci never
// uses, nor is "in", which some masters do not know; see among.
//
//	.../builders/3/builds?complete=false&buildid__lt=20      builderid 3, complete false, buildid lt 20
//	.../changes?limit=50&order=-changeid                     none
//	.../buildrequests?buildrequestid__in=3                   none
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

// filterOf makes the filter of one parameter, such as field changeid, op lt, value 20. holds is
// nil for an op that is not checked.
//
// asked is "lt 20" for changeid__lt=20, and "3" for builderid=3. A comparison of numbers is false
// for a field that is not a number, so such a record is refused too.
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

// oneOf makes a condition that is true for each of the values. It ignores case, since some
// databases do.
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

// sameCall checks that an answer belongs to the call, by its id, and that a force or a rebuild
// made exactly one request, for the right builder. For the force of builder "3" with id 1,
// {"id": 1, "result": [412, {"3": 977}]} belongs to it; id 2, {} and {"4": 977} do not.
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
		return nil // the other calls make nothing
	case a.Result == nil:
		return contract.Outside("result", "null, expected a buildset's id and its requests by builder")
	case call.Method == methodForce && call.Params.Builder == nil:
		return nil // a force of several builders by their names, which mozci never sends
	case len(a.Result.Requests) != 1:
		return contract.Outside("result", "%d requests, expected 1", len(a.Result.Requests))
	}
	for builder := range a.Result.Requests {
		if call.Params.Builder != nil && fmt.Sprint(call.Params.Builder) != strconv.Itoa(builder) {
			return contract.Differs("result", builder, call.Params.Builder)
		}
	}
	return nil
}

// The methods that make requests.
const (
	methodForce   = "force"
	methodRebuild = "rebuild"
)
