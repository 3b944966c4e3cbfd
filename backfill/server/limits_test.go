package server_test

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mozci/mozci/backfill/server"
)

// statuses are those of n requests, each as often as it came in a row: "200*3 429*1".
func statuses(n int, ask func() int) string {
	out, last, times := "", 0, 0
	for i := range n + 1 {
		code := 0
		if i < n {
			code = ask()
		}
		if code != last && times > 0 {
			out += fmt.Sprintf("%d*%d ", last, times)
			times = 0
		}
		last = code
		times++
	}
	return out
}

// Reads and acts of each caller are counted apart, and come back with time.
func TestLimits(t *testing.T) {
	tokens := tokensOf(t, "bot one", "me two")
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t, server.DoorOptions{
			Tokens: tokens, OpenReads: true,
			Reads: server.Rate{PerMinute: 60, Burst: 5}, Acts: server.Rate{PerMinute: 6, Burst: 2},
		})
		get := func(headers ...string) func() int {
			return func() int { return g.ask("GET", "/v1/x", "", headers...).Code }
		}
		post := func(headers ...string) func() int {
			return func() int { return g.ask("POST", "/v1/x", "", headers...).Code }
		}
		check := func(what, got, want string) {
			t.Helper()
			if got != want {
				t.Errorf("%s: %s, expected %s", what, got, want)
			}
		}
		check("bot acts", statuses(4, post(token)), "200*2 429*2 ")
		check("bot acts from elsewhere", statuses(1, post(token, "From: 192.0.2.9:1")), "429*1 ")
		check("me acts", statuses(3, post("Authorization: Bearer two")), "200*2 429*1 ")
		check("bot reads", statuses(7, get(token)), "200*5 429*2 ")
		check("nobody reads", statuses(6, get()), "200*5 429*1 ")
		check("nobody reads, another port", statuses(1, get("From: 192.0.2.1:77")), "429*1 ")
		check("nobody elsewhere", statuses(6, get("From: 192.0.2.9:1")), "200*5 429*1 ")
		check("of IPv6", statuses(6, get("From: [2001:db8::1]:1")), "200*5 429*1 ")
		check("of the same network", statuses(1, get("From: [2001:db8::ffff:2]:1")), "429*1 ")
		check("of another network", statuses(1, get("From: [2001:db8:0:1::1]:1")), "200*1 ")
		check("IPv4 as IPv6", statuses(1, get("From: [::ffff:192.0.2.9]:1")), "429*1 ")
		check("X-Forwarded-For of nobody's proxy", statuses(1, get("X-Forwarded-For: 198.51.100.7")), "429*1 ")
		check("health", statuses(20, func() int { return g.ask("GET", "/healthz", "").Code }), "200*20 ")
		rec := g.ask("POST", "/v1/x", "", token)
		if reason(t, rec) != "too_many" || rec.Header().Get("Retry-After") != "10" {
			t.Errorf("%v %s", rec.Header(), rec.Body)
		}
		time.Sleep(10*time.Second - 1)
		check("too early", statuses(1, post(token)), "429*1 ")
		time.Sleep(1)
		check("after 10 s", statuses(2, post(token)), "200*1 429*1 ")
		time.Sleep(time.Hour)
		check("after an hour", statuses(4, post(token)), "200*2 429*2 ")
	})
}

// Wrong credentials are counted by address, and right ones are not.
func TestAttempts(t *testing.T) {
	tokens := tokensOf(t, "bot one")
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t, server.DoorOptions{
			Tokens: tokens, Attempts: server.Rate{PerMinute: 1, Burst: 3}, Acts: server.Rate{PerMinute: -1},
		})
		wrong := func() int { return g.ask("POST", "/v1/x", "", "Authorization: Bearer no").Code }
		right := func() int { return g.ask("POST", "/v1/x", "", token).Code }
		sign := func() int { return g.ask("POST", "/signin", "token=no", form).Code }
		if got := statuses(50, right) + statuses(2, wrong) + statuses(10, right) + statuses(3, sign) + statuses(1, right); got !=
			"200*50 401*2 200*10 401*1 429*2 429*1 " {
			t.Error(got)
		}
		if code := g.ask("POST", "/v1/x", "", token, "From: 192.0.2.9:1").Code; code != 200 {
			t.Errorf("from elsewhere: %d", code)
		}
		time.Sleep(time.Minute)
		if got := statuses(2, right) + statuses(2, wrong); got != "200*2 401*1 429*1 " {
			t.Errorf("after a minute: %s", got)
		}
	})
}

// A deployment that cannot be asked costs nobody an attempt.
func TestAttemptsAreNotForFaultsOfOurs(t *testing.T) {
	_, check := deployment()
	g := newGate(t, server.DoorOptions{
		Who: []server.Authenticator{hawkDoor(t, check, failing{})}, Attempts: server.Rate{PerMinute: 1, Burst: 1},
	})
	for range 3 {
		rec := g.ask("POST", "/v1/backfills?dry=1", `{"label":"t"}`, "Authorization: "+good().header(t),
			"Content-Type: application/json")
		if rec.Code != 503 || rec.Header().Get("Retry-After") == "" {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	}
}

// Behind proxies of ours it is their word that counts, up to the first that is not ours.
func TestProxies(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for name, c := range map[string]struct {
		from, forwarded []string
		want            string
	}{
		"direct":              {[]string{"192.0.2.7:1"}, nil, "192.0.2.7"},
		"direct, and lies":    {[]string{"192.0.2.7:1"}, []string{"198.51.100.1"}, "192.0.2.7"},
		"a proxy":             {[]string{"10.0.0.1:1"}, []string{"198.51.100.1"}, "198.51.100.1"},
		"two proxies":         {[]string{"10.0.0.1:1"}, []string{"198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		"a lie before it":     {[]string{"10.0.0.1:1"}, []string{"1.1.1.1, 198.51.100.1"}, "198.51.100.1"},
		"two headers":         {[]string{"10.0.0.1:1"}, []string{"1.1.1.1", "198.51.100.1"}, "198.51.100.1"},
		"nonsense":            {[]string{"10.0.0.1:1"}, []string{"198.51.100.1, <script>"}, "10.0.0.1"},
		"a proxy alone":       {[]string{"10.0.0.1:1"}, nil, "10.0.0.1"},
		"proxies all the way": {[]string{"10.0.0.1:1"}, []string{"10.0.0.3,10.0.0.2"}, "10.0.0.3"},
		"with a port":         {[]string{"10.0.0.1:1"}, []string{"198.51.100.1:99"}, "198.51.100.1"},
		"IPv6":                {[]string{"10.0.0.1:1"}, []string{"2001:db8::1"}, "2001:db8::1"},
		"no address":          {[]string{"@"}, nil, ""},
	} {
		g := newGate(t, server.DoorOptions{Proxies: proxies})
		headers := []string{"From: " + c.from[0]}
		for _, f := range c.forwarded {
			headers = append(headers, "X-Forwarded-For: "+f)
		}
		g.ask("POST", "/v1/x", "", headers...)
		if got := g.log.all(t)[0]["address"]; got != c.want {
			t.Errorf("%s: %v, expected %s", name, got, c.want)
		}
	}
}

// However many callers there are, a bounded number is remembered.
func TestLimitsAreBounded(t *testing.T) {
	if left := server.Remembered(100, 1000); left != 100 {
		t.Errorf("of 1000 callers %d are remembered, expected 100", left)
	}
}
