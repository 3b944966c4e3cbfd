package recorded

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// structured reads what is written as JSON: one value, or one on each line. Values
// that are not JSON are kept as they are: they are what is looked for.
func structured(text []byte) []Item {
	if items, ok := of(text); ok {
		return items
	}
	if lines := valueLines(text); len(lines) > 1 {
		var items []Item
		for n, line := range lines {
			found, ok := of(line)
			if !ok {
				found = []Item{{Body: annotated(line)}}
			}
			for i := range found {
				found[i].Place = fmt.Sprintf("line %d", n+1)
			}
			items = append(items, found...)
		}
		return items
	}
	return []Item{{Body: text}}
}

// valueLines are the lines of a text in which each is a value of its own; none where
// the text is one value.
func valueLines(text []byte) [][]byte {
	if jsontext.Value(text).IsValid() {
		return nil
	}
	lines := bytes.Split(bytes.TrimRight(text, "\r\n"), []byte("\n"))
	if len(lines) < 2 || !jsontext.Value(lines[0]).IsValid() {
		return nil
	}
	return lines
}

// envelope is every way in which an exchange or a message is written.
type envelope struct {
	Request  jsontext.Value `json:"request"`
	Response jsontext.Value `json:"response"`
	URL      string         `json:"url"`
	Status   *int           `json:"status"`
	Test     bool           // there is the name of a test
	Log      *struct {
		Entries []entry `json:"entries"`
	} `json:"log"`

	Exchange   string `json:"exchange"`
	RoutingKey string `json:"routingKey"`
	Meta       struct {
		Exchange string `json:"exchange"`
	} `json:"_meta"`
	Fields struct {
		Exchange string `json:"exchange"`
	} `json:"fields"`
	Payload jsontext.Value `json:"payload"`
	Data    jsontext.Value `json:"data"`
	Body    jsontext.Value `json:"body"`
}

// entry is an exchange of a HAR file.
type entry struct {
	Request struct {
		Method   string `json:"method"`
		URL      string `json:"url"`
		PostData *struct {
			Text string `json:"text"`
		} `json:"postData"`
	} `json:"request"`
	Response struct {
		Status  int `json:"status"`
		Content struct {
			Text     string `json:"text"`
			Encoding string `json:"encoding"`
		} `json:"content"`
	} `json:"response"`
}

// of reads exchanges and messages: one, a list, or an object of them by any name.
// ok is false where the text is none of these.
func of(text []byte) (items []Item, ok bool) {
	if bytes.HasPrefix(text, []byte("[")) {
		var list []jsontext.Value
		if json.Unmarshal(text, &list) != nil {
			return nil, false
		}
		return each(list)
	}
	var e envelope
	if lenient(text, &e) != nil {
		return nil, false
	}
	switch {
	case e.Log != nil && e.Log.Entries != nil:
		return har(e.Log.Entries), true
	case e.Request != nil && e.Response != nil:
		return e.exchange()
	case e.URL != "" && e.Response != nil: // a path, and what it was answered with
		i := Item{Method: "GET", URL: e.URL, Status: 200, Body: e.Response}
		if e.Status != nil {
			i.Status = *e.Status
		}
		i.Expected = e.Test
		return []Item{i}, true
	}
	if i, ok := e.message(); ok {
		return []Item{i}, true
	}
	var object map[string]jsontext.Value
	if json.Unmarshal(text, &object) != nil {
		return nil, false
	}
	if list, ok := object["messages"]; ok {
		return of(list)
	}
	var list []jsontext.Value
	for _, name := range slices.Sorted(maps.Keys(object)) {
		list = append(list, object[name])
	}
	return each(list)
}

// each reads a list in which every element is an exchange or a message.
func each(list []jsontext.Value) (items []Item, ok bool) {
	for n, v := range list {
		if !bytes.HasPrefix(v, []byte("{")) {
			return nil, false
		}
		found, ok := of(v)
		if !ok {
			return nil, false
		}
		for _, i := range found {
			if i.Place == "" {
				i.Place = fmt.Sprintf("number %d", n+1)
			}
			items = append(items, i)
		}
	}
	return items, len(items) > 0
}

// lenient reads what has the wanted types, and leaves the rest.
func lenient(text []byte, e *envelope) error {
	var object map[string]jsontext.Value
	err := json.Unmarshal(text, &object, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return err
	}
	e.Request, e.Response, e.Payload, e.Data, e.Body = object["request"], object["response"], object["payload"],
		object["data"], object["body"]
	e.Test = object["test"] != nil
	for name, into := range map[string]any{
		"url": &e.URL, "status": &e.Status, "log": &e.Log, "exchange": &e.Exchange, "routingKey": &e.RoutingKey,
		"_meta": &e.Meta, "fields": &e.Fields,
	} {
		if v, ok := object[name]; ok {
			_ = json.Unmarshal(v, into) // another thing of that name
		}
	}
	return nil
}

// exchange reads a request and its answer.
func (e *envelope) exchange() ([]Item, bool) {
	var address string
	if json.Unmarshal(e.Request, &address) == nil {
		return []Item{{Method: "GET", URL: address, Status: 200, Body: e.Response}}, true
	}
	var in struct {
		Method string         `json:"method"`
		URL    string         `json:"url"`
		Body   jsontext.Value `json:"body"`
	}
	var out struct {
		Status int            `json:"status"`
		Body   jsontext.Value `json:"body"`
	}
	if json.Unmarshal(e.Request, &in) != nil || json.Unmarshal(e.Response, &out) != nil || in.URL == "" {
		return nil, false
	}
	i := Item{Method: in.Method, URL: in.URL, Asked: in.Body, Status: out.Status, Body: out.Body}
	var page string
	if json.Unmarshal(out.Body, &page) == nil { // what was no JSON was recorded as a string
		i.Body = []byte(page)
	}
	return []Item{i}, true
}

// message reads a message with its exchange.
func (e *envelope) message() (Item, bool) {
	i := Item{}
	for _, name := range []string{e.Exchange, e.Fields.Exchange, e.Meta.Exchange} {
		if i.Exchange == "" {
			i.Exchange = name
		}
	}
	for _, body := range []jsontext.Value{e.Payload, e.Body, e.Data} {
		if i.Body == nil {
			i.Body = body
		}
	}
	return i, i.Exchange != "" && i.Body != nil
}

func har(entries []entry) []Item {
	var items []Item
	for n, e := range entries {
		i := Item{
			Place: fmt.Sprintf("exchange %d", n+1), Method: e.Request.Method, URL: e.Request.URL,
			Status: e.Response.Status, Body: []byte(e.Response.Content.Text),
		}
		if e.Request.PostData != nil {
			i.Asked = []byte(e.Request.PostData.Text)
		}
		if e.Response.Content.Encoding != "" {
			i.Body = decoded(e.Response.Content.Encoding, e.Response.Content.Text)
		}
		items = append(items, i)
	}
	return items
}

// annotated is a recorded value without the notes of who recorded it: a member
// "message", "json" or "report" beside the path where it was found.
func annotated(line []byte) []byte {
	var object map[string]jsontext.Value
	if json.Unmarshal(line, &object) != nil {
		return line
	}
	if _, ok := object["path"]; !ok {
		return line
	}
	for _, name := range []string{"message", "json"} {
		if v, ok := object[name]; ok {
			return v
		}
	}
	return line
}

func decoded(encoding, text string) []byte {
	if !strings.EqualFold(encoding, "base64") {
		return []byte(text)
	}
	plain, err := io.ReadAll(base64Reader(text))
	if err != nil {
		return []byte(text)
	}
	return plain
}
