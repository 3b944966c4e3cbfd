package job_test

import (
	"errors"
	"testing"

	"github.com/mozci/mozci/job"
)

// An address that the cause says is not said a second time; any other key is.
func TestErrorSaysAnAddressOnce(t *testing.T) {
	const url = "https://hg.example/json-pushes?version=2"
	refused := errors.New("GET " + url + ": connection refused")
	for _, c := range []struct {
		key  string
		err  error
		want string
	}{
		{url, refused, "pushlog.json-pushes: GET " + url + ": connection refused"},
		{url, errors.New("no JSON"), "pushlog.json-pushes " + url + ": no JSON"},
		{"GET", refused, "pushlog.json-pushes GET: GET " + url + ": connection refused"},
	} {
		if got := (&job.Error{Op: "pushlog.json-pushes", Key: c.key, Err: c.err}).Error(); got != c.want {
			t.Errorf("%s, expected %s", got, c.want)
		}
	}
}
