package taskcluster_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/mozci/mozci/internal/testing/tctest"
	"github.com/mozci/mozci/job"
)

// A list of the latest fires that says nothing, or something odd, proves nothing:
// the push's group is looked at, and nothing is made twice.
func TestOddFires(t *testing.T) {
	for name, fires := range map[string]string{
		"none":      `{"lastFires": []}`,
		"null":      `{"lastFires": null}`,
		"an object": `{}`,
		"nothing":   ``,
		"a page":    `<html><title>Sign in</title></html>`,
		"torn":      `{"lastFires": [{"taskId": "A5O76NnPRt`,
		"empty entries": `{"lastFires": [{}, {"taskId": null, "taskCreateTime": null},
			{"taskId": "", "taskCreateTime": "2096-01-01T00:00:00Z"}]}`,
		"other types":  `{"lastFires": [{"taskId": 7, "taskCreateTime": "yesterday"}]}`,
		"a list":       `[]`,
		"null entries": `{"lastFires": [null]}`,
		"no times":     `{"lastFires": [{"taskId": "A5O76NnPRt--HRPWdpOVlA", "taskState": "pending"}]}`,
		"of later": `{"lastFires": [{"taskId": "A5O76NnPRt--HRPWdpOVlA",
			"taskCreateTime": "2096-01-01T00:00:00Z", "taskState": "unknown"}]}`,
	} {
		for _, fault := range []tctest.Fault{tctest.LateMade, tctest.BrokenMade, tctest.Lost, tctest.QueueDown} {
			synctest.Test(t, func(t *testing.T) {
				s, decision := world()
				n := 0
				s.Fault = func() tctest.Fault {
					if n++; n == 1 {
						return fault
					}
					return tctest.Well
				}
				s.Before = func(w http.ResponseWriter, r *http.Request) bool {
					odd := strings.HasSuffix(r.URL.Path, "/last-fires")
					if odd {
						_, _ = w.Write([]byte(fires))
					}
					return odd
				}
				got, err := inMemory(s).Project("autoland", nil).Trigger(t.Context(),
					job.Request{Label: test, Push: push(20), Count: 2, Times: 3})
				s.Settle()
				made := len(s.Tasks(decision, test)) - 1
				switch {
				case err == nil && got.By != "" && made == 2:
				case errors.Is(err, job.ErrUnavailable) && made == 0 && !fault.Makes():
				default:
					t.Errorf("%s, %v: %+v, %v; %d runs were made", name, fault, got, err, made)
				}
			})
		}
	}
}
