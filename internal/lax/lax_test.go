package lax_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/mozci/mozci/internal/lax"
)

type all struct {
	Text   lax.Text
	Word   lax.Word
	Texts  lax.Texts
	Number lax.Number
	Flag   lax.Flag
}

// Each value is put into every field.
func TestLax(t *testing.T) {
	for value, want := range map[string]all{
		`"a"`:          {Text: "a", Word: "a"},
		`"\u00e9"`:     {Text: "é", Word: "é"},
		`"1"`:          {Text: "1", Word: "1"},
		`1.5`:          {Word: "1.5", Number: 1.5},
		`-2`:           {Word: "-2", Number: -2},
		`true`:         {Flag: true},
		`false`:        {},
		`null`:         {},
		`{"a":"b"}`:    {},
		`[]`:           {Texts: lax.Texts{}},
		`["a",1,null]`: {Texts: lax.Texts{"a", "", ""}},
	} {
		got := all{Text: "before", Word: "before", Number: 7, Flag: true}
		text := `{"Text":` + value + `,"Word":` + value + `,"Texts":` + value + `,"Number":` + value + `,"Flag":` +
			value + `}`
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Errorf("%s: %v", value, err)
		} else if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", value, got, want)
		}
	}
	for _, torn := range []string{`{"Text":"a`, `{"Texts":["a`, `{"Number":1e`} {
		if err := json.Unmarshal([]byte(torn), new(all)); err == nil {
			t.Errorf("%s is read without an error", torn)
		}
	}
}
