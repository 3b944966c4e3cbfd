package main

import (
	"encoding/json"
	"reflect"

	"github.com/google/jsonschema-go/jsonschema"
)

// The types of what is asked: each has its schema below, so that a call that makes no
// sense is turned away before anything is asked of a service.
type (
	address    string
	repository string
	revision   string
	label      string
	name       string // of a test, or a part of a label
	runID      string
	planID     string
	neighbours int // how many pushes beside one
	lookback   int // how many pushes to look at
	times      int // runs on each push
	tally      int // runs or failures that were counted; so few that a sum of them is a number too
	confidence float64
)

func number(v float64) *float64 { return &v }

func text(pattern string, most int) *jsonschema.Schema {
	least := 1
	return &jsonschema.Schema{Type: "string", Pattern: pattern, MinLength: &least, MaxLength: &most}
}

func whole(least, most float64, usual string) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "integer", Minimum: &least, Maximum: &most}
	if usual != "" {
		s.Default = json.RawMessage(usual)
	}
	return s
}

// schemas are those of the types above. A repository's name becomes part of addresses:
// no part of it begins with a dot.
func schemas() map[reflect.Type]*jsonschema.Schema {
	return map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[address]():    text("", 4096),
		reflect.TypeFor[repository](): text(`^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$`, 100),
		reflect.TypeFor[revision]():   text(`^([0-9a-fA-F]{4,40}|tip)$`, 40),
		reflect.TypeFor[label]():      text("", mostName),
		reflect.TypeFor[name]():       text("", mostName),
		reflect.TypeFor[runID]():      text("", mostName),
		reflect.TypeFor[planID]():     text("^plan-[0-9a-f]{16}$", 21),
		reflect.TypeFor[neighbours](): whole(0, mostRows-1, "0"),
		reflect.TypeFor[lookback]():   whole(1, 200, "50"),
		reflect.TypeFor[times]():      whole(1, 20, "1"),
		reflect.TypeFor[tally]():      whole(0, 1_000_000, ""),
		reflect.TypeFor[confidence](): {
			Type: "number", Minimum: number(0.5), Maximum: number(0.999), Default: json.RawMessage("0.95"),
		},
	}
}

// schemaOf is the schema of a type of questions or of answers.
func schemaOf[T any]() *jsonschema.Schema {
	s, err := jsonschema.For[T](&jsonschema.ForOptions{TypeSchemas: schemas()})
	if err != nil {
		panic(err) // the types are ours
	}
	neverNull(s)
	return s
}

// neverNull takes null out of the types: a list without rows is empty here, and what is
// not known is left out.
func neverNull(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	if len(s.Types) == 2 && s.Types[0] == "null" {
		s.Type, s.Types = s.Types[1], nil
	}
	neverNull(s.Items)
	for _, p := range s.Properties {
		neverNull(p)
	}
}
