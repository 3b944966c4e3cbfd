package server_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/job"
)

// tokenFile writes a file of tokens; each line is a name, its token and scopes.
func tokenFile(t testing.TB, lines ...string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "tokens")
	writeTokens(t, name, lines...)
	return name
}

func writeTokens(t testing.TB, name string, lines ...string) {
	t.Helper()
	text := "# who may\n\n"
	for _, l := range lines {
		f := strings.Fields(l)
		text += f[0] + " " + server.HashToken(f[1]) + " " + strings.Join(f[2:], " ") + "\n"
	}
	// A file is replaced, as whoever runs the service does it.
	if err := os.WriteFile(name+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

func TestNewToken(t *testing.T) {
	a, b := server.NewToken(), server.NewToken()
	raw, err := base64.RawURLEncoding.DecodeString(a)
	if err != nil || len(raw) != 32 || a == b {
		t.Errorf("%q, %q: %v", a, b, err)
	}
	if got := server.HashToken("abc"); got !=
		"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Error(got)
	}
}

func TestParseTokens(t *testing.T) {
	one, two := server.HashToken("one"), server.HashToken("two")
	for name, c := range map[string]struct{ text, want, err string }{
		"nothing":             {"", "[]", ""},
		"comments":            {"# a\n\n   \n\t# " + one + "\n", "[]", ""},
		"all":                 {"bot " + one + "\n", "[bot=*]", ""},
		"scopes":              {"bot  " + one + "\ta:b c:*\r\nme " + two + "\n", "[bot=a:b,c:* me=*]", ""},
		"no hash":             {"bot\n", "", "line 1 of the tokens: bot has no hash"},
		"no name":             {"\n" + one + "\n", "", "line 2 of the tokens: no name at the beginning"},
		"another hash":        {"bot md5:00\n", "", "line 1 of the tokens: bot has no valid hash"},
		"a short one":         {"bot " + one[:70] + "\n", "", "expected sha256: and 64 hexadecimal digits"},
		"a long one":          {"bot " + one + "00\n", "", "64 hexadecimal digits"},
		"the token itself":    {"bot hunter2hunter2\n", "", "bot has no valid hash"},
		"no digits":           {"bot sha256:" + strings.Repeat("g", 64) + "\n", "", "64 hexadecimal digits"},
		"torn":                {"me " + two + "\nbot " + one, "", "line 2 of the tokens: the last line does not"},
		"torn in a scope":     {"bot " + one + " hooks:trigger-ho", "", "line 1 of the tokens: the last line"},
		"twice the name":      {"bot " + one + "\nbot " + two + "\n", "", "line 2 of the tokens: bot is already"},
		"twice the token":     {"bot " + one + "\nme " + one + " a\n", "", "the token is the same as in line 1"},
		"a scope of no ASCII": {"bot " + one + " a\u00e4\n", "", "is not a scope"},
		"a comment behind":    {"bot " + one + " # only this\n", "", `"#" is not a scope`},
		"a name of no ASCII":  {"b\u00f6t " + one + "\n", "", "no name at the beginning"},
		"an escape":           {"b\x1b[31m " + one + "\n", "", "no name at the beginning"},
		"a long name":         {strings.Repeat("x", 101) + " " + one + "\n", "", "no name at the beginning"},
		"no UTF-8":            {"bot " + one + " \xff\n", "", "line 1 of the tokens: not UTF-8"},
		"a NUL":               {"bot " + one + " a\x00b\n", "", "is not a scope"},
		"a long line":         {"bot " + one + strings.Repeat(" a", 9000) + "\n", "", "longer than 16384 bytes"},
	} {
		list, err := server.ParseTokens([]byte(c.text))
		if c.err != "" {
			if !errors.Is(err, job.ErrInvalid) || !strings.Contains(fmt.Sprint(err), c.err) || list != nil {
				t.Errorf("%s: %v, %v; expected %s", name, list, err, c.err)
			}
			text := fmt.Sprint(err)
			if strings.ContainsAny(text, "\x1b\x00") || strings.Contains(text, one[10:30]) {
				t.Errorf("%s: the error shows what it must not: %v", name, err)
			}
			continue
		}
		var got []string
		for _, l := range list {
			got = append(got, l.Name+"="+strings.Join(l.Scopes, ","))
		}
		if err != nil || fmt.Sprint(got) != c.want {
			t.Errorf("%s: %v, %v; expected %s", name, got, err, c.want)
		}
	}
}

// bearer is who a token is, or the error.
func bearer(tokens *server.Tokens, authorization ...string) (server.Caller, error) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, a := range authorization {
		r.Header.Add("Authorization", a)
	}
	return tokens.Authenticate(r.Context(), r, nil)
}

func TestTokens(t *testing.T) {
	tokens, err := server.OpenTokens(tokenFile(t, "bot one", "me two hooks:* queue:x"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		headers []string
		want    string
		err     error
	}{
		{[]string{"Bearer one"}, "bot (token) [*]", nil},
		{[]string{"bearer  two "}, "me (token) [hooks:* queue:x]", nil},
		{[]string{"Bearer three"}, "", server.ErrWrong},
		{[]string{"Bearer"}, "", server.ErrWrong},
		{[]string{"Bearer "}, "", server.ErrWrong},
		{[]string{"Bearer " + server.HashToken("one")}, "", server.ErrWrong},
		{[]string{"Bearer one two"}, "", server.ErrWrong},
		{[]string{"Basic one"}, "", server.ErrNoCredentials},
		{[]string{"Bearer one", "Bearer one"}, "", server.ErrNoCredentials},
		{nil, "", server.ErrNoCredentials},
	} {
		who, err := bearer(tokens, c.headers...)
		got := ""
		if err == nil {
			got = fmt.Sprint(who, " ", who.Scopes)
		}
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%q: %q, %v", c.headers, got, err)
		}
	}
}

// A token that is taken out of the file is one no more; one that may less from then on
// ends what needed more.
func TestTokensChange(t *testing.T) {
	name := tokenFile(t, "bot one", "me two hooks:* queue:x")
	tokens, err := server.OpenTokens(name)
	if err != nil {
		t.Fatal(err)
	}
	bot, _ := bearer(tokens, "Bearer one")
	me, _ := bearer(tokens, "Bearer two")
	if err := errors.Join(tokens.Still(bot), tokens.Still(me)); err != nil {
		t.Fatal(err)
	}
	writeTokens(t, name, "me three hooks:*")
	if err := tokens.Check(); err != nil {
		t.Fatal(err)
	}
	if _, err := bearer(tokens, "Bearer one"); !errors.Is(err, server.ErrWrong) {
		t.Errorf("removed: %v", err)
	}
	if _, err := bearer(tokens, "Bearer three"); err != nil {
		t.Errorf("added: %v", err)
	}
	if err := tokens.Still(bot); !errors.Is(err, server.ErrWrong) || !strings.Contains(err.Error(), "was removed") {
		t.Errorf("bot still may: %v", err)
	}
	if err := tokens.Still(me); !errors.Is(err, server.ErrWrong) || !strings.Contains(err.Error(), "queue:x") {
		t.Errorf("me still may: %v", err)
	}
	if err := tokens.Still(server.Caller{Name: "bot", Via: server.ViaTaskcluster}); err != nil {
		t.Errorf("one of Taskcluster with the same name: %v", err)
	}
	torn := []byte("me " + server.HashToken("three"))
	if err := os.WriteFile(name, torn, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := tokens.Check(); !errors.Is(err, job.ErrInvalid) || !strings.Contains(err.Error(), name) {
		t.Errorf("torn: %v", err)
	}
	if _, err := bearer(tokens, "Bearer three"); !errors.Is(err, server.ErrCannotCheck) {
		t.Errorf("of a torn file: %v", err)
	}
	if err := tokens.Still(me); !errors.Is(err, server.ErrCannotCheck) {
		t.Errorf("of a torn file: %v", err)
	}
}

// Without being told, a change counts after a moment.
func TestTokensAreReadAgain(t *testing.T) {
	name := tokenFile(t, "bot one")
	synctest.Test(t, func(t *testing.T) {
		tokens, err := server.OpenTokens(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bearer(tokens, "Bearer one"); err != nil {
			t.Fatal(err)
		}
		writeTokens(t, name, "bot two")
		time.Sleep(time.Second)
		if _, err := bearer(tokens, "Bearer two"); err != nil {
			t.Errorf("the new one: %v", err)
		}
		if _, err := bearer(tokens, "Bearer one"); !errors.Is(err, server.ErrWrong) {
			t.Errorf("the old one: %v", err)
		}
	})
}

func TestOpenTokens(t *testing.T) {
	dir := t.TempDir()
	for _, mode := range []os.FileMode{0o620, 0o602, 0o666} {
		name := filepath.Join(dir, fmt.Sprintf("%o", mode))
		if err := errors.Join(os.WriteFile(name, nil, 0o600), os.Chmod(name, mode)); err != nil {
			t.Fatal(err)
		}
		_, err := server.OpenTokens(name)
		if !errors.Is(err, job.ErrInvalid) || !strings.Contains(err.Error(), "chmod go-w") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, []byte(strings.Repeat("#\n", 600_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{filepath.Join(dir, "none"), dir, large} {
		if _, err := server.OpenTokens(name); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is read of a file is what its lines say, and lets nobody else in.
func FuzzTokens(f *testing.F) {
	f.Add("bot " + server.HashToken("one") + " a:b\n# x\n")
	f.Add("bot " + server.HashToken("one") + "\r\n\x00")
	f.Add("\u2028bot sha256: \n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := server.ParseTokens([]byte(text))
		if err != nil {
			if list != nil || !errors.Is(err, job.ErrInvalid) {
				t.Errorf("%v, %v", list, err)
			}
			return
		}
		written := ""
		for _, l := range list {
			written += fmt.Sprintf("%s sha256:%x %s\n", l.Name, l.Hash, strings.Join(l.Scopes, " "))
			if l.Name == "" || len(l.Scopes) == 0 || !strings.Contains(text, l.Name) {
				t.Errorf("%+v", l)
			}
		}
		again, err := server.ParseTokens([]byte(written))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(list) {
			t.Errorf("%q\n%q: %v", text, written, err)
		}
	})
}
