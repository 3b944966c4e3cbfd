package server

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
)

// Remembered is how many of n callers a limit remembers that may remember most.
func Remembered(most, n int) int {
	l := newLimiter(Rate{PerMinute: 1, Burst: 1}, most)
	for i := range n {
		l.take(fmt.Sprint("caller ", i))
		l.take("one who comes often")
	}
	if l.take("one who comes often") == 0 || l.take(fmt.Sprint("caller ", n-1)) == 0 || l.take("caller 0") != 0 {
		return -1 // who was seen last is forgotten, or who was seen first is not
	}
	return len(l.of)
}

// Hearing is what the monitor of a backfill is given.
var Hearing = hearing

// ChooserPost is what the page of a Server answers to the form of its chooser, which
// somebody has sent.
func ChooserPost(ctx context.Context, s *Server, by Caller, form url.Values) string {
	r := httptest.NewRequest(http.MethodPost, "/chooser", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.page.chosen(w, r.WithContext(withCaller(ctx, by)))
	return w.Body.String()
}

// BusyRobot is an autopilot that has something to show.
func BusyRobot() Robotics { return &fakeRobot{today: busyDay()} }
