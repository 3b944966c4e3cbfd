package server_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/job"
)

const (
	treeherder = "https://treeherder.mozilla.org"
	evil       = "https://evil.example"
	token      = "Authorization: Bearer one"
)

// Which pages may call: of this service, of a listed site with credentials of its own,
// and no others; whether the browser says Sec-Fetch-Site or only Origin.
func TestCrossOrigin(t *testing.T) {
	tokens := tokensOf(t, "bot one")
	listed := newGate(t, server.DoorOptions{Tokens: tokens, OpenReads: true, Origins: []string{treeherder}})
	star := newGate(t, server.DoorOptions{Tokens: tokens, OpenReads: true, Origins: []string{"*", treeherder}})
	public := newGate(t, server.DoorOptions{Tokens: tokens, OpenReads: true, PublicURL: "https://mozci.public"})
	session := signedIn(t, listed)
	for name, c := range map[string]struct {
		g       *gate
		method  string
		headers []string
		status  int
		allow   string // Access-Control-Allow-Origin
	}{
		"a program acts":            {listed, "POST", []string{token}, 200, ""},
		"own page acts":             {listed, "POST", []string{token, "Sec-Fetch-Site: same-origin"}, 200, ""},
		"own page, old browser":     {listed, "POST", []string{token, "Origin: http://mozci.example"}, 200, ""},
		"own page with a session":   {listed, "POST", []string{session, "Sec-Fetch-Site: same-origin"}, 200, ""},
		"a bookmark reads":          {listed, "GET", []string{session, "Sec-Fetch-Site: none"}, 200, ""},
		"evil reads":                {listed, "GET", []string{"Origin: " + evil}, 200, ""},
		"evil acts by cookie":       {listed, "POST", []string{session, "Origin: " + evil, "Sec-Fetch-Site: cross-site"}, 403, ""},
		"evil, an old browser":      {listed, "POST", []string{session, "Origin: " + evil}, 403, ""},
		"evil acts with a token":    {listed, "POST", []string{token, "Origin: " + evil, "Sec-Fetch-Site: cross-site"}, 403, ""},
		"a sibling site":            {listed, "POST", []string{session, "Origin: http://x.mozci.example", "Sec-Fetch-Site: same-site"}, 403, ""},
		"no origin acts":            {listed, "POST", []string{session, "Origin: null"}, 403, ""},
		"says cross-site only":      {listed, "POST", []string{session, "Sec-Fetch-Site: cross-site"}, 403, ""},
		"Treeherder reads":          {listed, "GET", []string{"Origin: " + treeherder, "Sec-Fetch-Site: cross-site"}, 200, treeherder},
		"Treeherder acts":           {listed, "POST", []string{token, "Origin: " + treeherder, "Sec-Fetch-Site: cross-site"}, 200, treeherder},
		"Treeherder, wrong token":   {listed, "POST", []string{"Authorization: Bearer x", "Origin: " + treeherder}, 401, treeherder},
		"Treeherder by cookie":      {listed, "POST", []string{session, "Origin: " + treeherder, "Sec-Fetch-Site: cross-site"}, 403, treeherder},
		"nearly Treeherder":         {listed, "POST", []string{token, "Origin: " + treeherder + ".evil.example"}, 403, ""},
		"Treeherder over http":      {listed, "POST", []string{token, "Origin: http://treeherder.mozilla.org"}, 403, ""},
		"Treeherder, another port":  {listed, "POST", []string{token, "Origin: " + treeherder + ":444"}, 403, ""},
		"any site reads":            {star, "GET", []string{"Origin: " + evil}, 200, "*"},
		"any site acts":             {star, "POST", []string{token, "Origin: " + evil}, 403, ""},
		"Treeherder among any":      {star, "POST", []string{token, "Origin: " + treeherder}, 200, treeherder},
		"behind a proxy":            {public, "POST", []string{token, "Origin: https://mozci.public", "Host: mozci.public"}, 200, ""},
		"behind one, evil":          {public, "POST", []string{token, "Origin: " + evil, "Host: mozci.public"}, 403, ""},
		"a hostile origin":          {listed, "POST", []string{token, "Origin: https://\x1b[31m\"><script>"}, 403, ""},
		"listed in another case":    {listed, "GET", []string{"Origin: https://TREEHERDER.mozilla.org"}, 200, "https://TREEHERDER.mozilla.org"},
		"two origins":               {listed, "POST", []string{session, "Origin: " + treeherder, "Origin: " + evil}, 403, treeherder},
		"a session and wrong token": {listed, "POST", []string{session, "Authorization: Bearer x"}, 401, ""},
	} {
		rec := c.g.ask(c.method, "/v1/backfills", "", c.headers...)
		h := rec.Header()
		if rec.Code != c.status || h.Get("Access-Control-Allow-Origin") != c.allow {
			t.Errorf("%s: %d, allows %q: %s", name, rec.Code, h.Get("Access-Control-Allow-Origin"), rec.Body)
		}
		if _, ok := h["Access-Control-Allow-Credentials"]; ok {
			t.Errorf("%s: it allows credentials", name)
		}
		if vary := slices.Contains(h.Values("Vary"), "Origin"); vary != (c.g != public) {
			t.Errorf("%s: Vary is %q", name, h.Values("Vary"))
		}
	}
}

func TestPreflight(t *testing.T) {
	g := newGate(t, server.DoorOptions{Origins: []string{treeherder}}) // reads are closed: a preflight has no credentials
	star := newGate(t, server.DoorOptions{Origins: []string{"*"}})
	for name, c := range map[string]struct {
		g              *gate
		origin, method string
		status         int
		allow, methods string
	}{
		"Treeherder acts":   {g, treeherder, "POST", 204, treeherder, "GET, HEAD, POST"},
		"Treeherder reads":  {g, treeherder, "GET", 204, treeherder, "GET, HEAD, POST"},
		"evil acts":         {g, evil, "POST", 403, "", ""},
		"evil reads":        {g, evil, "GET", 403, "", ""},
		"no origin":         {g, "", "POST", 403, "", ""},
		"any site reads":    {star, evil, "GET", 204, "*", "GET, HEAD"},
		"any site acts":     {star, evil, "POST", 403, "", ""},
		"any site, nothing": {star, "", "GET", 403, "", ""},
	} {
		headers := []string{"Access-Control-Request-Method: " + c.method, "Access-Control-Request-Headers: authorization"}
		if c.origin != "" {
			headers = append(headers, "Origin: "+c.origin)
		}
		rec := c.g.ask("OPTIONS", "/v1/backfills", "", headers...)
		h := rec.Header()
		if rec.Code != c.status || h.Get("Access-Control-Allow-Origin") != c.allow ||
			h.Get("Access-Control-Allow-Methods") != c.methods ||
			(h.Get("Access-Control-Allow-Headers") != "") != (c.allow != "") {
			t.Errorf("%s: %d %v", name, rec.Code, h)
		}
		if got := fmt.Sprint(h.Values("Vary")); got != "[Origin Access-Control-Request-Method Access-Control-Request-Headers]" {
			t.Errorf("%s: Vary %s", name, got)
		}
		if h.Get("Access-Control-Allow-Credentials") != "" || c.allow != "" && h.Get("Access-Control-Max-Age") == "" {
			t.Errorf("%s: %v", name, h)
		}
	}
}

// A site whose name points at this machine cannot have its pages call.
func TestHosts(t *testing.T) {
	loopback := server.DoorOptions{OpenReads: true, Hosts: server.LoopbackHosts("127.0.0.1:8787")}
	named := server.DoorOptions{OpenReads: true, PublicURL: "https://mozci.example", Hosts: []string{"internal"}}
	for _, c := range []struct {
		o    server.DoorOptions
		host string
		ok   bool
	}{
		{loopback, "localhost:8787", true},
		{loopback, "LOCALHOST:8787", true},
		{loopback, "127.0.0.1:8787", true},
		{loopback, "[::1]:8787", true},
		{loopback, "localhost", false},
		{loopback, "localhost:80", false},
		{loopback, "evil.example:8787", false},
		{loopback, "localhost.evil.example:8787", false},
		{loopback, "127.0.0.1.nip.io:8787", false},
		{loopback, "", false},
		{named, "mozci.example", true},
		{named, "mozci.example:443", true},
		{named, "mozci.example.", true},
		{named, "internal:8787", true},
		{named, "localhost", false},
		{named, "xmozci.example", false},
		{server.DoorOptions{OpenReads: true}, "anything", true},
	} {
		g := newGate(t, c.o)
		rec := g.ask("GET", "/v1/backfills", "", "Host: "+c.host)
		if want := map[bool]int{true: 200, false: 421}[c.ok]; rec.Code != want || !c.ok && reason(t, rec) != "wrong_host" {
			t.Errorf("%q for %q: %d %s", c.host, c.o.Hosts, rec.Code, rec.Body)
		}
		if rec := g.ask("GET", "/healthz", "", "Host: "+c.host); rec.Code != 200 {
			t.Errorf("health of %q: %d", c.host, rec.Code)
		}
	}
	for listen, want := range map[string]string{
		"127.0.0.1:80": "localhost:80 127.0.0.1:80 [::1]:80 localhost 127.0.0.1 [::1]",
		"[::1]:8787":   "localhost:8787 127.0.0.1:8787 [::1]:8787", "localhost:1": "localhost:1 127.0.0.1:1 [::1]:1",
		"127.0.0.2:1": "localhost:1 127.0.0.1:1 [::1]:1 127.0.0.2:1",
		":8787":       "", "0.0.0.0:8787": "", "192.0.2.1:80": "", "nonsense": "",
	} {
		if got := strings.Join(server.LoopbackHosts(listen), " "); got != want {
			t.Errorf("%s: %q", listen, got)
		}
	}
}

func TestDoorOptions(t *testing.T) {
	for name, o := range map[string]server.DoorOptions{
		"an origin with a path": {Origins: []string{treeherder + "/"}},
		"one without a scheme":  {Origins: []string{"treeherder.mozilla.org"}},
		"null":                  {Origins: []string{"null"}},
		"a file":                {Origins: []string{"file://x"}},
		"one with a user":       {Origins: []string{"https://u@x"}},
		"a host with a path":    {Hosts: []string{"x/y"}},
		"no host":               {Hosts: []string{""}},
		"a public path":         {PublicURL: "https://x/y"},
		"no public URL":         {PublicURL: "x"},
		"a short key":           {Tokens: tokensOf(t, "bot one"), SessionKey: []byte("short")},
	} {
		if _, err := server.NewDoor(&o); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
