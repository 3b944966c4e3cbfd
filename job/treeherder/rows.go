package treeherder

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/job/contract"
)

// columns are the names of the values in jobs that are rows, as JSON strings. Empty when jobs are
// objects.
type columns []jsontext.Value

// columnsOf makes columns of the names in job_property_names, each of which must come once.
func columnsOf(names []string) (columns, error) {
	const member = "job_property_names"
	seen := map[string]bool{}
	out := make(columns, len(names))
	for i, n := range names {
		if seen[n] {
			return nil, contract.Outside(fmt.Sprintf("%s[%d]", member, i), "%.40q comes twice", n)
		}
		seen[n] = true
		quoted, err := jsontext.AppendQuote(nil, n)
		if err != nil {
			return nil, contract.Outside(fmt.Sprintf("%s[%d]", member, i), "%v", err)
		}
		out[i] = quoted
	}
	return out, nil
}

// recordOf decodes a job that is an object, or a row of values in the order of the columns. path is
// its place in the answer, for errors.
func recordOf[T any](e *contract.Endpoint[T], path string, text jsontext.Value, names columns) (*T, error) {
	text, err := asObject(path, text, names)
	if err != nil {
		return nil, err
	}
	out, err := e.Decode(contract.Asked{}, text)
	var broken *contract.Error
	if !errors.As(err, &broken) {
		return out, err
	}
	if broken.Path != "." {
		path += "." + broken.Path
	}
	return nil, &contract.Error{Finding: contract.Finding{Path: path, Kind: broken.Kind, Detail: broken.Detail}}
}

// inspected returns all findings about a record at a path.
func inspected(e contract.Any, path string, text jsontext.Value, names columns) []contract.Finding {
	text, err := asObject(path, text, names)
	if err != nil {
		return nil // recordOf reports it
	}
	found := e.Check(contract.Asked{}, text)
	for i := range found {
		if found[i].Path == "." {
			found[i].Path = path
		} else {
			found[i].Path = path + "." + found[i].Path
		}
	}
	return found
}

// asObject turns a record into a JSON object, if it is a row.
func asObject(path string, text jsontext.Value, names columns) (jsontext.Value, error) {
	switch {
	case len(text) == 0:
		return jsontext.Value("null"), nil
	case !isRow(text):
		return text, nil
	}
	object, err := names.object(text)
	if err != nil {
		return nil, contract.Outside(path, "%v", err)
	}
	return object, nil
}

func isRow(text jsontext.Value) bool { return bytes.HasPrefix(text, []byte("[")) }

// object turns a row into an object: with the columns "id" and "state", the row [7, "running"]
// becomes {"id":7,"state":"running"}. The numbers of values and columns must be equal.
func (c columns) object(row jsontext.Value) (jsontext.Value, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(row))
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	out := append(make(jsontext.Value, 0, len(row)+32*len(c)), '{')
	n := 0
	for ; dec.PeekKind() != ']'; n++ {
		value, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		if n < len(c) {
			out = append(append(append(append(out, c[n]...), ':'), value...), ',')
		}
	}
	if n != len(c) || n == 0 {
		return nil, fmt.Errorf("%d values for %d job_property_names", n, len(c))
	}
	out[len(out)-1] = '}' // replaces the last comma
	return out, nil
}
