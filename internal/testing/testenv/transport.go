package testenv

import (
	"net/http"
	"net/http/httptest"
)

// InMemory is a transport that answers with a handler, without a network: time
// can then be a testing/synctest bubble's.
type InMemory struct{ http.Handler }

// RoundTrip implements http.RoundTripper.
func (m InMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	m.ServeHTTP(rec, r)
	res := rec.Result()
	res.Request = r
	return res, nil
}
