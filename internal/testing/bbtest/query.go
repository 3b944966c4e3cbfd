package bbtest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// nested are the lists below single records: the table, and the field that names
// the record.
var nested = map[string][2]string{
	"buildrequests/builds": {"builds", "buildrequestid"}, "builds/steps": {"steps", "buildid"},
	"steps/logs": {"logs", "stepid"}, "builders/builds": {"builds", "builderid"},
	"builders/buildrequests": {"buildrequests", "builderid"},
}

// list answers a table, or a part of it, or one record.
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
	switch path := strings.Join(parts, "/"); {
	case !known || len(parts) > 4:
		refuse(w, http.StatusNotFound, "Invalid path: "+path)
		return
	case single && len(rows) == 0:
		refuse(w, http.StatusNotFound, "not found while getting from endpoint for /"+path)
		return
	}
	rows, err := selected(table, rows, r.URL.Query())
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	meta := Row{}
	if !single {
		meta["total"] = len(rows)
	}
	answer(w, http.StatusOK, "application/json; charset=utf-8", map[string]any{
		table: append([]Row{}, rows...), "meta": meta,
	})
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
		case "order", "property":
		case "limit":
			n, err := strconv.Atoi(values[0])
			if err != nil {
				return nil, errors.New("invalid limit")
			}
			limit = n
		default:
			if err := check(table, name, values); err != nil {
				return nil, err
			}
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
	for i, r := range out { // of few: a history has many builds
		out[i] = properties(table, r, q["property"])
	}
	if table == "changes" && limit >= 0 { // newest chosen, and listed ascending
		slices.Reverse(out)
	}
	return out, nil
}

// check refuses filters of fields that a record has not, and values of another type
// than the field's, as the master does.
func check(table, name string, values []string) error {
	field, _, _ := strings.Cut(name, "__")
	like, ok := blank(table)[field]
	if !ok {
		return fmt.Errorf("unrecognized query parameter '%s'", field) //nolint:misspell // the master's own word
	}
	if field == "results" || strings.HasSuffix(field, "_at") { // numbers, also where blank is nil
		like = 0
	}
	for _, v := range values {
		switch like.(type) {
		case bool:
			_, ok = booleans[v]
		case int:
			_, err := strconv.Atoi(v)
			ok = err == nil
		}
		if !ok {
			return fmt.Errorf("invalid filter value for %s", field)
		}
	}
	return nil
}

// booleans are the words that a master takes for them.
var booleans = map[string]bool{
	"on": true, "true": true, "yes": true, "1": true, "off": false, "false": false, "no": false, "0": false,
}

// properties is a build or a request with those properties only that were asked for:
// none are said unasked.
func properties(table string, r Row, names []string) Row {
	if table != "builds" && table != "buildrequests" {
		return r
	}
	found := Row{}
	var all map[string]any
	switch p := r["properties"].(type) {
	case Row:
		all = p
	case map[string]any:
		all = p
	}
	for name, v := range all {
		if slices.Contains(names, "*") || slices.Contains(names, name) {
			found[name] = v
		}
	}
	out := maps.Clone(r)
	out["properties"] = found
	if len(found) == 0 {
		out["properties"] = blank(table)["properties"]
	}
	return out
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
			return b == booleans[values[0]]
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
