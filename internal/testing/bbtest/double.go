package bbtest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mozci/mozci/internal/testing/testenv"
)

// Double answers as a master does, over tables in memory, and counts what it is
// asked: for questions that a real master takes hours to have a history for. What
// it does not know, it refuses.
type Double struct {
	URL string

	// Forcing is how long a force takes, as on a master under load.
	Forcing time.Duration
	// Front is in front of the master: it answers what it refuses, and returns
	// whether it did. Optional.
	Front func(http.ResponseWriter, *http.Request) bool

	mu     sync.Mutex
	tables map[string][]Row
	raw    map[string]string
	asked  []string
}

// Row is one record, with the fields that the API gives it.
type Row map[string]any

// keys are the ids of the tables.
var keys = map[string]string{
	"builders": "builderid", "changes": "changeid", "buildsets": "bsid", "buildrequests": "buildrequestid",
	"builds": "buildid", "steps": "stepid", "logs": "logid", "forceschedulers": "name",
}

// NewDouble starts a double without a history.
func NewDouble(t testing.TB) *Double {
	t.Helper()
	d := Offline()
	s := httptest.NewServer(d)
	t.Cleanup(s.Close)
	d.URL = s.URL
	return d
}

// Offline returns a double that no server serves: its RoundTrip answers, also in a
// testing/synctest bubble.
func Offline() *Double {
	d := &Double{tables: map[string][]Row{}, raw: map[string]string{}}
	for name := range keys {
		d.tables[name] = nil
	}
	return d
}

// RoundTrip implements http.RoundTripper.
func (d *Double) RoundTrip(r *http.Request) (*http.Response, error) {
	return testenv.InMemory{Handler: d}.RoundTrip(r)
}

// DoubleOf starts a double with the tables of a file, whose logs are in "raw".
func DoubleOf(t testing.TB, file string) *Double {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	d := NewDouble(t)
	for name := range keys {
		var rows []Row
		if err := json.Unmarshal(all[name], &rows); err != nil {
			t.Fatalf("%s: %s: %v", file, name, err)
		}
		d.tables[name] = rows
	}
	if err := json.Unmarshal(all["raw"], &d.raw); err != nil {
		t.Fatalf("%s: raw: %v", file, err)
	}
	return d
}

// Asked returns what was asked for since it was called last.
func (d *Double) Asked() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := d.asked
	d.asked = nil
	return out
}

// Edit changes the tables.
func (d *Double) Edit(edit func(tables map[string][]Row)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	edit(d.tables)
}

// Log is the text of a log.
func (d *Double) Log(id int, text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.raw[strconv.Itoa(id)] = text
}

func (d *Double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	d.asked = append(d.asked, r.Method+" "+r.URL.String())
	d.mu.Unlock()
	if d.Front != nil && d.Front(w, r) {
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/api/v2/")
	parts := strings.Split(path, "/")
	switch {
	case r.URL.Path == "/auth/login": // everybody may sign in
		w.Header().Add("Set-Cookie", "TWISTED_SESSION=anonymous")
		w.Header().Add("Set-Cookie", "TWISTED_SESSION=signed-in")
		w.WriteHeader(http.StatusFound)
	case r.Method == http.MethodPost && !strings.Contains(r.Header.Get("Cookie"), "signed-in"):
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"error": {"code": -32600, "message": "you need to have role 'admins'"}, "id": 1, "jsonrpc": "2.0"}`)
	case !ok:
		fail(w, http.StatusNotFound, "Invalid path")
	case r.Method == http.MethodPost:
		d.post(w, r, parts)
	case len(parts) == 3 && parts[0] == "logs" && parts[2] == "raw":
		d.mu.Lock()
		text := d.raw[parts[1]]
		d.mu.Unlock()
		_, _ = io.WriteString(w, text)
	default:
		d.list(w, r, parts)
	}
}

func fail(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": text})
}

// nested are the lists below single records: the table, and the field that names
// the record.
var nested = map[string][2]string{
	"buildrequests/builds": {"builds", "buildrequestid"}, "builds/steps": {"steps", "buildid"}, "steps/logs": {"logs", "stepid"},
	"builders/builds": {"builds", "builderid"}, "builders/buildrequests": {"buildrequests", "builderid"},
}

func (d *Double) list(w http.ResponseWriter, r *http.Request, parts []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	table := parts[0]
	rows, known := d.tables[table]
	single := false
	switch len(parts) {
	case 2:
		single = true
		rows = having(rows, keys[table], parts[1])
	case 3, 4:
		to, ok := nested[table+"/"+parts[2]]
		known = ok
		table = to[0]
		rows = having(d.tables[table], to[1], parts[1])
		if len(parts) == 4 {
			single = true
			rows = having(rows, "number", parts[3])
		}
	}
	if !known || single && len(rows) == 0 {
		fail(w, http.StatusNotFound, "not found: "+strings.Join(parts, "/"))
		return
	}
	rows, err := selected(table, rows, r.URL.Query())
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(map[string]any{table: append([]Row{}, rows...), "meta": map[string]int{"total": len(rows)}})
}

func having(rows []Row, field, value string) []Row {
	is := filter(field, []string{value})
	var out []Row
	for _, r := range rows {
		if is(r) {
			out = append(out, r)
		}
	}
	return out
}

// selected applies a query as the master does.
func selected(table string, rows []Row, q url.Values) ([]Row, error) {
	limit := -1
	var filters []func(Row) bool
	for name, values := range q {
		switch name {
		case "order", "property", "field":
		case "limit":
			n, err := strconv.Atoi(values[0])
			if err != nil {
				return nil, errors.New("invalid limit")
			}
			limit = n
		default:
			filters = append(filters, filter(name, values))
		}
	}
	var out []Row
	for _, r := range rows {
		if !slices.ContainsFunc(filters, func(is func(Row) bool) bool { return !is(r) }) {
			out = append(out, r)
		}
	}
	if values := q["order"]; len(values) > 0 {
		field := strings.TrimPrefix(values[0], "-")
		slices.SortStableFunc(out, func(a, b Row) int {
			if values[0] != field {
				a, b = b, a
			}
			return cmp.Compare(number(a[field]), number(b[field]))
		})
	}
	if limit >= 0 && limit < len(out) {
		out = out[:limit]
	}
	if table == "changes" && limit >= 0 { // newest chosen, and listed ascending
		slices.Reverse(out)
	}
	return out, nil
}

func number(v any) float64 {
	switch v := v.(type) {
	case int:
		return float64(v)
	case float64:
		return v
	}
	f, _ := strconv.ParseFloat(fmt.Sprint(v), 64)
	return f
}

// filter compares a field with the values of a filter; several are one of them.
func filter(name string, values []string) func(Row) bool {
	field, op, _ := strings.Cut(name, "__")
	among := map[string]bool{}
	for _, v := range values {
		among[v] = true
	}
	bound := number(values[0])
	return func(r Row) bool {
		v := r[field]
		if b, ok := v.(bool); ok {
			return b == (values[0] == "true" || values[0] == "on" || values[0] == "1")
		}
		if v == nil {
			return op == "" && values[0] == ""
		}
		switch op {
		case "contains":
			return strings.Contains(fmt.Sprint(v), values[0])
		case "gt":
			return number(v) > bound
		case "ge":
			return number(v) >= bound
		case "lt":
			return number(v) < bound
		case "le":
			return number(v) <= bound
		}
		switch v := v.(type) {
		case int:
			return among[strconv.Itoa(v)]
		case string:
			return among[v]
		}
		return among[fmt.Sprint(v)]
	}
}

// post acts on a force scheduler or a build: with a buildset and a request more.
func (d *Double) post(w http.ResponseWriter, r *http.Request, parts []string) {
	var call struct {
		Method string         `json:"method"`
		Params map[string]any `json:"params"`
	}
	if err := json.NewDecoder(r.Body).Decode(&call); err != nil || len(parts) != 2 {
		fail(w, http.StatusBadRequest, "JSON parse error")
		return
	}
	time.Sleep(d.Forcing)
	d.mu.Lock()
	defer d.mu.Unlock()
	var set, request Row
	switch parts[0] + " " + call.Method {
	case "forceschedulers force":
		set, request = d.forced(call.Params)
	case "builds rebuild":
		set, request = d.rebuilt(parts[1])
	default:
		fail(w, http.StatusNotImplemented, "action: "+call.Method+" is not supported")
		return
	}
	d.tables["buildsets"] = append(d.tables["buildsets"], set)
	d.tables["buildrequests"] = append(d.tables["buildrequests"], request)
	_ = json.NewEncoder(w).Encode(map[string]any{"jsonrpc": "2.0", "id": 1, "result": []any{set["bsid"], map[string]any{fmt.Sprint(request["builderid"]): request["buildrequestid"]}}})
}

func (d *Double) next(table string) int { return len(d.tables[table]) + 1 }

// forced is what a form makes: a source stamp for each codebase that it has fields
// of.
func (d *Double) forced(params map[string]any) (set, request Row) {
	stamps := map[string]Row{}
	for name, v := range params {
		codebase, field, ok := strings.Cut(name, "_")
		if !ok {
			codebase, field = "", name
		}
		if slices.Contains([]string{"revision", "branch", "repository", "project"}, field) {
			if stamps[codebase] == nil {
				stamps[codebase] = Row{"codebase": codebase, "branch": nil, "revision": nil, "repository": "", "project": "", "patch": nil}
			}
			stamps[codebase][field] = v
		}
	}
	var all []Row
	for _, s := range stamps {
		all = append(all, s)
	}
	builder, _ := strconv.Atoi(fmt.Sprint(params["builderid"]))
	return d.row(all, fmt.Sprintf("A build was forced by 'a test': %v", params["reason"]), builder)
}

func (d *Double) rebuilt(id string) (set, request Row) {
	build := having(d.tables["builds"], "buildid", id)[0]
	was := having(d.tables["buildrequests"], "buildrequestid", fmt.Sprint(build["buildrequestid"]))[0]
	old := having(d.tables["buildsets"], "bsid", fmt.Sprint(was["buildsetid"]))[0]
	return d.row(old["sourcestamps"], "rebuild", int(number(was["builderid"])))
}

func (d *Double) row(stamps any, reason string, builder int) (set, request Row) {
	now := time.Now().Unix()
	set = Row{"bsid": d.next("buildsets"), "reason": reason, "sourcestamps": stamps, "submitted_at": now, "complete": false}
	request = Row{
		"buildrequestid": d.next("buildrequests"), "buildsetid": set["bsid"], "builderid": builder,
		"claimed": false, "complete": false, "results": -1, "submitted_at": now, "complete_at": nil,
	}
	return set, request
}
