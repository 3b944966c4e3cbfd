package selfserve

import (
	"bytes"
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/job/contract"
)

// revisions is self-serve's listing of a revision. For a revision without jobs it answers 404
// instead; see failures.
var revisions = contract.New(contract.Endpoint[[]entry]{
	Source: source, Name: "revision", URL: `/self-serve/(?P<branch>[^/]+)/rev/(?P<revision>[^/]+)$`,
	Same: sameRevision,
})

// requests is one request.
var requests = contract.New(contract.Endpoint[wireRequest]{
	Source: source, Name: "request", URL: `/self-serve/(?P<branch>[^/]+)/request/(?P<request>[^/]+)$`,
	Same: sameRequest,
})

// builderNames are the names of builders that contain a branch's name.
var builderNames = contract.New(contract.Endpoint[[]string]{
	Source: source, Name: "builders", URL: `/self-serve/(?P<branch>[^/]+)/builders$`, Same: sameBuilders,
})

// wireRequest is a request in a listing. Its id is a signed 32-bit integer in MySQL.
type wireRequest struct {
	ID        int64  `json:"request_id" is:"required" min:"1" max:"2147483647"`
	Builder   string `json:"buildername" is:"required" min:"1"`
	Branch    string `json:"branch" is:"null"`
	Revision  string `json:"revision" is:"required,null"`
	Reason    string `json:"reason" is:""`
	Priority  int    `json:"priority" is:""`
	Complete  int    `json:"complete" is:"required" min:"0" max:"1"`
	Submitted epoch  `json:"submittime" is:"required" min:"1" max:"4102444800"`
	Finished  epoch  `json:"complete_at" is:"required,null" min:"1" max:"4102444800"`

	_ contract.Also `names:"claimed_at properties build_ids"`
}

// proven checks that a request has an end exactly when it is complete. path is its place in the
// answer, for the error.
func (w *wireRequest) proven(path string) error {
	if (w.Complete == 1) != (w.Finished != 0) {
		return contract.Outside(path+"complete", "%d, but complete_at is %d", w.Complete, w.Finished)
	}
	return nil
}

func (w *wireRequest) request() BuildRequest {
	return BuildRequest{
		ID: w.ID, Builder: w.Builder, Revision: w.Revision, Reason: w.Reason, Priority: w.Priority,
		Complete: w.Complete != 0, Submitted: w.Submitted.time(), Finished: w.Finished.time(),
	}
}

// wireBuild is a build in a listing, with those of its requests that are for the revision. Its
// status is the result of the requests, not that of the build.
type wireBuild struct {
	ID       int64         `json:"build_id" is:"required" min:"1" max:"2147483647"`
	Number   int           `json:"buildnumber" is:"required" min:"0" max:"2147483647"`
	Builder  string        `json:"buildername" is:"required" min:"1"`
	Branch   string        `json:"branch" is:"required"`
	Revision string        `json:"revision" is:"required"`
	Started  epoch         `json:"starttime" is:"required" min:"1" max:"4102444800"`
	Finished epoch         `json:"endtime" is:"required,null" min:"1" max:"4102444800"`
	Status   *int          `json:"status" is:"required,null"`
	Requests []wireRequest `json:"requests" is:"required" min:"1"`

	_ contract.Also `names:"claimed_by_name"`
}

// late is by how many seconds two times may be in the wrong order, as different machines take
// them.
const late = 60

// proven checks that a build does not contradict itself. A build ends, then its requests become
// complete, and then it has a status.
func (w *wireBuild) proven() error {
	if w.Finished != 0 && w.Finished < w.Started {
		return contract.Outside("endtime", "%d, before starttime %d", w.Finished, w.Started)
	}
	if w.Status != nil && w.Finished == 0 {
		return contract.Outside("endtime", "null, but status is %d", *w.Status)
	}
	seen := map[int64]bool{}
	for i := range w.Requests {
		r := &w.Requests[i]
		path := fmt.Sprintf("requests[%d].", i)
		switch err := r.proven(path); {
		case err != nil:
			return err
		case r.Builder != w.Builder:
			return contract.Differs(path+"buildername", r.Builder, w.Builder)
		case seen[r.ID]:
			return contract.Outside(path+"request_id", "%d comes twice", r.ID)
		case w.Status != nil && r.Complete == 0:
			return contract.Outside(path+"complete", "0, but the build's status is %d", *w.Status)
		case w.Status != nil && r.Finished+late < w.Finished:
			return contract.Outside(path+"complete_at", "%d, before the build's endtime %d", r.Finished, w.Finished)
		}
		seen[r.ID] = true
	}
	return nil
}

// entry is one element of a listing: a build with its requests, or a request that no build has
// taken. Exactly one field is set.
type entry struct {
	build   *wireBuild
	request *wireRequest
}

var (
	listedBuilds   = contract.New(contract.Endpoint[wireBuild]{Source: source, Name: "build"})
	listedRequests = contract.New(contract.Endpoint[wireRequest]{Source: source, Name: "pending"})
)

// pending reports whether an element is a bare request. One with any member of a build is a
// build, so that a damaged build without its status is not taken for a request that waits.
//
//	{"request_id": 7, "buildername": "b", …}                      true
//	{"build_id": 3, "status": null, "requests": [{…}], …}         false
//	{"request_id": 7, "status": 0, …}                             false: a damaged build
//	{"buildername": "b"}                                          false: fits neither, found by the contract
func pending(text []byte) bool {
	// Names that come twice are allowed here; the contract of either form finds them later.
	dec := jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true))
	if t, err := dec.ReadToken(); err != nil || t.Kind() != '{' {
		return false
	}
	request := false
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return false
		}
		switch name.String() {
		case "build_id", "status", "requests":
			return false
		case "request_id":
			request = true
		}
		if dec.SkipValue() != nil {
			return false
		}
	}
	return request
}

// UnmarshalJSON decodes either form by its own contract.
func (e *entry) UnmarshalJSON(text []byte) (err error) {
	if pending(text) {
		if e.request, err = listedRequests.Decode(contract.Asked{}, text); err == nil {
			err = e.request.proven("")
		}
		return err
	}
	if e.build, err = listedBuilds.Decode(contract.Asked{}, text); err == nil {
		err = e.build.proven()
	}
	return err
}

// Check implements contract.Checker, by the contract of the element's form.
func (e *entry) Check(text []byte) []contract.Finding {
	if pending(text) {
		return listedRequests.Check(contract.Asked{}, text)
	}
	return listedBuilds.Check(contract.Asked{}, text)
}

func (e *entry) listing() Listing {
	if r := e.request; r != nil {
		return Listing{
			Builder: r.Builder, Branch: r.Branch, Revision: r.Revision, Requests: []BuildRequest{r.request()},
		}
	}
	b := e.build
	l := Listing{
		BuildID: b.ID, Number: b.Number, Builder: b.Builder, Branch: b.Branch, Revision: b.Revision, Scheduled: true,
		Started: b.Started.time(), Finished: b.Finished.time(), Status: b.Status,
	}
	for i := range b.Requests {
		l.Requests = append(l.Requests, b.Requests[i].request())
	}
	return l
}

// sameRevision checks that everything in a listing is of the requested revision and branch, and
// that nothing is listed twice.
func sameRevision(asked contract.Asked, all *[]entry) error {
	if len(*all) == 0 {
		return contract.Outside(".", "empty: a revision without jobs is answered with 404")
	}
	branch, revision := asked.Var("branch"), asked.Var("revision")
	builds, waiting := map[int64]bool{}, map[int64]bool{}
	for i, e := range *all {
		path := fmt.Sprintf("[%d].", i)
		if r := e.request; r != nil {
			if waiting[r.ID] {
				return contract.Outside(path+"request_id", "%d comes twice", r.ID)
			}
			waiting[r.ID] = true
			if err := about(path, r.Branch, r.Revision, branch, revision); err != nil {
				return err
			}
			continue
		}
		b := e.build
		if builds[b.ID] {
			return contract.Outside(path+"build_id", "%d comes twice", b.ID)
		}
		builds[b.ID] = true
		if err := about(path, b.Branch, b.Revision, branch, revision); err != nil {
			return err
		}
		for j, r := range b.Requests {
			path := fmt.Sprintf("%srequests[%d].", path, j)
			if err := about(path, cmp.Or(r.Branch, branch), r.Revision, branch, revision); err != nil {
				return err
			}
		}
	}
	return nil
}

// about returns an error when a branch or a revision, at path, is not the requested one.
func about(path, branch, revision, askedBranch, askedRevision string) error {
	switch {
	case !ofBranch(branch, askedBranch):
		return contract.Differs(path+"branch", branch, askedBranch)
	case !isRevision(revision):
		return contract.Outside(path+"revision", "%.60q, expected 12 or 40 digits", revision)
	case !sameTwelve(revision, askedRevision):
		return contract.Differs(path+"revision", revision, askedRevision)
	}
	return nil
}

// ofBranch reports whether BuildAPI counts the branch of a source stamp as the requested one: it
// begins or ends with it, as mozilla-central-linux-opt-unittest begins with mozilla-central and
// integration/fx-team ends with fx-team.
func ofBranch(branch, asked string) bool {
	return strings.HasPrefix(branch, asked) || strings.HasSuffix(branch, asked)
}

// sameRequest checks that a request is the requested one. Requests of nightlies have no branch.
func sameRequest(asked contract.Asked, r *wireRequest) error {
	if id := asked.Var("request"); strconv.FormatInt(r.ID, 10) != id {
		return contract.Differs("request_id", r.ID, id)
	}
	if branch := asked.Var("branch"); r.Branch != "" && !ofBranch(r.Branch, branch) {
		return contract.Differs("branch", r.Branch, branch)
	}
	return r.proven("")
}

// sameBuilders checks that every name contains the branch's name. Case does not matter, as in
// MySQL.
func sameBuilders(asked contract.Asked, names *[]string) error {
	branch := asked.Var("branch")
	for i, n := range *names {
		if !strings.Contains(strings.ToLower(n), strings.ToLower(branch)) {
			return contract.Differs(fmt.Sprintf("[%d]", i), n, branch)
		}
	}
	return nil
}
