package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// The lines of a client that says hello, and asks for the jobs of the newest push.
const (
	hello = `{"jsonrpc":"2.0","id":"hello","method":"initialize","params":{"protocolVersion":"2025-06-18",` +
		`"capabilities":{},"clientInfo":{"name":"test","version":"1"}}}` + "\n" +
		`{"jsonrpc":"2.0","method":"notifications/initialized"}` + "\n" //nolint:misspell // the protocol's word
	question = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"list_jobs","arguments":` +
		`{"revision":"tip"}}}`
)

// answer is what the server said to a message.
type answer struct {
	ID     any
	Result *struct{ IsError bool }
	Error  *struct {
		Code    int
		Message string
	}
}

// piped is what the program answers to a client that writes all at once and closes the pipe,
// by the ids of its messages.
func piped(t *testing.T, said string) map[any]answer {
	t.Helper()
	var out, errOut bytes.Buffer
	status := run(t.Context(), []string{"--world", permanent}, io.NopCloser(strings.NewReader(said)), &out, &errOut)
	if status != 0 || errOut.Len() > 0 {
		t.Errorf("%.60q: status %d, %s", said, status, &errOut)
	}
	answers := map[any]answer{}
	for line := range strings.Lines(out.String()) {
		var a answer
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		answers[a.ID] = a
	}
	return answers
}

// A script that pipes its questions has all of its answers, with a last line that does not
// end as well.
func TestPipedQuestions(t *testing.T) {
	for _, end := range []string{"\n", "", "\r\n", "\n\n  \n"} {
		for range 10 { // what comes first is not left to chance
			got := piped(t, hello+question+end)
			if len(got) != 2 || got[7.0].Result == nil || got[7.0].Result.IsError || got["hello"].Result == nil {
				t.Fatalf("%q: %+v", end, got)
			}
		}
	}
}

// A line that is no message has an error of its own, and the session goes on.
func TestMalformedMessages(t *testing.T) {
	for line, want := range map[string]struct {
		id   any
		code int
		text string
	}{
		"hello":                    {nil, jsonrpc.CodeParseError, "not JSON"},
		`{"jsonrpc":"2.0","id":3,`: {nil, jsonrpc.CodeParseError, "one line"},
		"\xff\x00":                 {nil, jsonrpc.CodeParseError, "not JSON"},
		strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000): {nil, jsonrpc.CodeParseError, "not JSON"},
		"[" + question + "]":             {nil, jsonrpc.CodeInvalidRequest, "no object"},
		"[]":                             {nil, jsonrpc.CodeInvalidRequest, "no object"},
		"7":                              {nil, jsonrpc.CodeInvalidRequest, "no object"},
		`{"id":5,"method":"tools/list"}`: {5.0, jsonrpc.CodeInvalidRequest, "JSON-RPC 2.0"},
		`{"jsonrpc":"1.0","id":"x","method":"tools/list"}`:     {"x", jsonrpc.CodeInvalidRequest, "JSON-RPC 2.0"},
		`{"jsonrpc":"2.0","id":{"a":1},"method":"tools/list"}`: {nil, jsonrpc.CodeInvalidRequest, "JSON-RPC 2.0"},
		`{"jsonrpc":"2.0","id":5,"method":7}`:                  {5.0, jsonrpc.CodeInvalidRequest, "JSON-RPC 2.0"},
		`{"jsonrpc":"2.0","id":5,"method":"a","x":"` + strings.Repeat("a", mostMessage) + `"}`: {
			nil, jsonrpc.CodeInvalidRequest, "too long",
		},
	} {
		got := piped(t, hello+line+"\n"+question+"\n")
		a := got[want.id]
		if len(got) != 3 || a.Error == nil || a.Error.Code != want.code || got[7.0].Result == nil ||
			!strings.Contains(a.Error.Message, want.text) {
			t.Errorf("%.60q: %+v", line, got)
		}
	}
}

// A message of the longest length is read, and what follows it too.
func TestLongestMessage(t *testing.T) {
	for more, code := range []int{jsonrpc.CodeMethodNotFound, jsonrpc.CodeInvalidRequest} {
		const before, after = `{"jsonrpc":"2.0","id":5,"method":"`, `"}`
		line := before + strings.Repeat("a", mostMessage-len(before+after)+more) + after
		got := piped(t, hello+line+"\n"+question)
		a := got[5.0]
		if more > 0 {
			a = got[nil]
		}
		if a.Error == nil || a.Error.Code != code || got[7.0].Result == nil {
			t.Errorf("%d bytes: %d answers, %d", len(line), len(got), a.Error.Code)
		}
	}
}

// The end of the client's messages is kept back until each question has its answer, was
// cancelled, or has waited for a minute.
func TestEndWaits(t *testing.T) {
	const ask = `{"jsonrpc":"2.0","id":%s,"method":"tools/list"}` + "\n"
	const cancel = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%s}}` + "\n"
	const result = `{"jsonrpc":"2.0","id":%s,"result":{}}`
	const wrong = `{"jsonrpc":"2.0","id":"a","error":{"code":1,"message":""}}`
	for name, c := range map[string]struct {
		said  string
		reply string // after 3 seconds
		waits time.Duration
	}{
		"nothing asked":  {"", "", 0},
		"answered":       {fmt.Sprintf(ask, "1"), fmt.Sprintf(result, "1"), 3 * time.Second},
		"an error":       {fmt.Sprintf(ask, `"a"`), wrong, 3 * time.Second},
		"another's":      {fmt.Sprintf(ask, "1"), fmt.Sprintf(result, `"1"`), time.Minute},
		"a notification": {fmt.Sprintf(ask, "1"), `{"jsonrpc":"2.0","method":"notifications/x"}`, time.Minute},
		"never":          {fmt.Sprintf(ask+ask, "1", "2"), fmt.Sprintf(result, "2"), time.Minute},
		"cancelled":      {fmt.Sprintf(ask+cancel, "1", "1"), "", 0},
		"another's cancelled": {
			fmt.Sprintf(ask+cancel, "1", "{}"), "", time.Minute,
		},
		"not cancelled": {
			fmt.Sprintf(ask+strings.Replace(cancel, "cancelled", "progress", 1), "1", "1"), "", time.Minute,
		},
		"a greeting that is not answered": {hello, "", firstAnswer + time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			e := exchangeOn(&out)
			m := messagesOf(io.NopCloser(strings.NewReader(c.said)), e)
			start := time.Now()
			var replies sync.WaitGroup
			replies.Go(func() {
				time.Sleep(3 * time.Second)
				if _, err := io.WriteString(e, c.reply+"\n"); err != nil {
					t.Error(err)
				}
			})
			read, err := io.ReadAll(m)
			if got := time.Since(start); err != nil || got != c.waits || len(read) < len(c.said) {
				t.Errorf("%s: %v after %s, want %s: %s", name, err, got, c.waits, read)
			}
			replies.Wait()
			if out.String() != c.reply+"\n" {
				t.Errorf("%s: %q", name, &out)
			}
		})
	}
}

// A session that has ended waits for nobody.
func TestEndedSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, said := io.Pipe()
		m := messagesOf(in, exchangeOn(io.Discard))
		start := time.Now()
		go func() {
			_, _ = io.WriteString(said, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`+"\n")
			_ = said.Close()
			time.Sleep(time.Second)
			_ = m.Close()
		}()
		if _, err := io.ReadAll(m); err != nil || time.Since(start) != time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}

// A client that does not read yet can go on writing.
func TestUnreadAnswers(t *testing.T) {
	taken, out := io.Pipe()
	e := exchangeOn(out)
	m := messagesOf(io.NopCloser(strings.NewReader(strings.Repeat(question+"\n", 3))), e)
	wrote := make(chan error, 1)
	go func() {
		_, err := io.WriteString(e, `{"jsonrpc":"2.0","id":7,"result":{}}`+"\n")
		wrote <- err
	}()
	buf := make([]byte, 3*(len(question)+1))
	if _, err := io.ReadFull(m, buf); err != nil {
		t.Error(err)
	}
	if _, err := taken.Read(buf); err != nil {
		t.Error(err)
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
}

// The error of a question that does not fit repeats it, but not megabytes of it.
func TestLongError(t *testing.T) {
	c, _ := ofWorld(t, gap)
	client := connected(t, c)
	for _, with := range []args{
		{"revision": "tip", "label": strings.Repeat("x", 1_000_000)},
		{"revision": strings.Repeat("\u202e", 100_000)},
		{strings.Repeat("y", 100_000): 1},
		{"revision": "tip", "times": 1e300},
	} {
		text := refused(t, client, "plan_runs", with)
		if n := len([]rune(text)); n > mostError+1 || strings.Contains(text, "\u202e") {
			t.Errorf("%d characters: %.200s", n, text)
		}
	}
	if _, err := client.CallTool(t.Context(), &mcp.CallToolParams{Name: strings.Repeat("z", 100_000)}); err == nil {
		t.Error("there is a tool of this name")
	}
}
