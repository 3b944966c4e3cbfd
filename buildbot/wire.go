package buildbot

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	v2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/job/contract"
)

// change is a change of the sources, as a change source told the master.
type change struct {
	ID         int64   `json:"changeid" is:"required" min:"1" max:"2147483647"`
	Revision   string  `json:"revision" is:"required,null"`
	Branch     string  `json:"branch" is:"required,null"`
	Author     string  `json:"author" is:"required"`
	Comments   string  `json:"comments" is:"required"`
	Repository string  `json:"repository" is:"required"`
	Project    string  `json:"project" is:"required"`
	Codebase   string  `json:"codebase" is:"required"`
	Parents    []int64 `json:"parent_changeids" is:"required"`
	// When is the date of the commit, by its author's clock. It may lie before 1970.
	When        Epoch       `json:"when_timestamp" is:"required" min:"-99999999999" max:"99999999999"`
	SourceStamp changeStamp `json:"sourcestamp" is:"required"`

	_ contract.Also `names:"category committer files properties revlink"`
}

// changeStamp is the source stamp that the master makes when it hears of a change. Created is by
// the master's own clock. All of it is optional, since the change itself has the source.
type changeStamp struct {
	Created    Epoch   `json:"created_at" min:"1" max:"99999999999"`
	Codebase   *string `json:"codebase"`
	Repository *string `json:"repository"`
	Project    *string `json:"project"`
	Branch     *string `json:"branch"`
	Revision   *string `json:"revision"`

	_ contract.Also `names:"patch ssid"`
}

// check checks that the source stamp names the same source as the change.
func (c change) check() error {
	s := c.SourceStamp
	for _, f := range []struct {
		name, change string
		stamp        *string
	}{
		{"revision", c.Revision, s.Revision},
		{"branch", c.Branch, s.Branch},
		{"codebase", c.Codebase, s.Codebase},
		{"repository", c.Repository, s.Repository},
		{"project", c.Project, s.Project},
	} {
		if f.stamp != nil && f.change != *f.stamp {
			return contract.Outside("sourcestamp."+f.name, "%.80q, but the change has %.80q", *f.stamp, f.change)
		}
	}
	return nil
}

// forceScheduler is a form with which people trigger builds.
type forceScheduler struct {
	Name         string      `json:"name" is:"required" min:"1"`
	BuilderNames []string    `json:"builder_names" is:"required"`
	Fields       []formField `json:"all_fields" is:"required" min:"1"`

	_ contract.Also `names:"button_name enabled label"`
}

// formField is a field of a form, or a group of fields.
//
//	{"name": "revision", "fullName": "lib_revision", "type": "text", "default": "", "required": false,
//	 "regex": null, "maxsize": null, …}
type formField struct {
	Name     string      `json:"name" is:"required"`
	FullName string      `json:"fullName" is:"required,null"` // the name of its value in a force; a group may have none
	Type     string      `json:"type" is:"required" words:"text textarea fixed int bool username list nested inherit file"`
	Default  any         `json:"default" is:"required,null"` // used when a force has no value; see text
	Required bool        `json:"required" is:"required"`
	Regex    string      `json:"regex" is:"required,null"`           // of Python; "" accepts anything
	MaxSize  *int        `json:"maxsize" is:"required,null" min:"0"` // nil for no bound
	Fields   []formField `json:"fields"`                             // of a group

	_ contract.Also `names:"autopopulate choices cols columns hide label layout multiple need_email rows size strict tablabel tooltip"`
}

// check checks that no builder's name is empty, that groups have fields, and that each field
// has a full name.
func (s forceScheduler) check() error {
	if i := slices.Index(s.BuilderNames, ""); i >= 0 {
		return contract.Outside(fmt.Sprintf("builder_names[%d]", i), "empty")
	}
	return checkFields("all_fields", s.Fields)
}

func checkFields(path string, all []formField) error {
	for i, f := range all {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case f.Type == nestedField && f.Fields == nil:
			return contract.Outside(at+".fields", "missing from a group")
		case f.Type != nestedField && f.FullName == "":
			return contract.Outside(at+".fullName", "missing from a field")
		}
		if err := checkFields(at+".fields", f.Fields); err != nil {
			return err
		}
	}
	return nil
}

// nestedField is the type of a group of fields.
const nestedField = "nested"

// step is a step of a build.
type step struct {
	ID       int64  `json:"stepid" is:"required" min:"1" max:"2147483647"`
	Build    int64  `json:"buildid" is:"required" min:"1" max:"2147483647"`
	Number   int    `json:"number" is:"required" min:"0" max:"2147483647"` // in the build, from 0
	Name     string `json:"name" is:"required" min:"1"`
	Complete bool   `json:"complete" is:"required"`
	Results  *int   `json:"results" is:"required,null" min:"0"` // nil while it runs

	_ contract.Also `names:"complete_at hidden locks_acquired_at started_at state_string urls"`
}

// stepLog is a log of a step.
type stepLog struct {
	ID       int64  `json:"logid" is:"required" min:"1" max:"2147483647"`
	Step     int64  `json:"stepid" is:"required" min:"1" max:"2147483647"`
	Name     string `json:"name" is:"required" min:"1"`
	Type     string `json:"type" is:"required" words:"s t h d"` // s streams, t text, h HTML, d deleted
	Complete bool   `json:"complete" is:"required"`             // nothing more will be written to it

	_ contract.Also `names:"num_lines slug"`
}

// called is the answer to a JSON-RPC call.
type called struct {
	Version string         `json:"jsonrpc" is:"required" words:"2.0"`
	ID      jsontext.Value `json:"id" is:"required,null"`
	Result  *submission    `json:"result" is:"required,null"`

	_ contract.Also `names:"error"`
}

// mostID is the largest id: a master's database uses signed 32-bit integers.
const mostID = math.MaxInt32

// submission is what a call made: a buildset, with a request for each builder.
type submission struct {
	Buildset int64
	Requests map[int]int64 // by the builder's id, the request's id
}

// UnmarshalJSON reads the master's form, a pair such as [412, {"3": 977}]: buildset 412, with
// request 977 for builder 3.
func (a *submission) UnmarshalJSON(text []byte) error {
	var pair []jsontext.Value
	var requests map[string]int64
	err := v2.Unmarshal(text, &pair)
	if err == nil && len(pair) != 2 {
		err = errors.New("it is not a pair")
	}
	if err == nil {
		err = errors.Join(v2.Unmarshal(pair[0], &a.Buildset), v2.Unmarshal(pair[1], &requests))
	}
	a.Requests = map[int]int64{}
	for name, id := range requests {
		builder, atoiErr := strconv.Atoi(name)
		if atoiErr != nil || builder < 1 || id < 1 || id > mostID {
			err = errors.New("a builder or a request without an id")
		}
		a.Requests[builder] = id
	}
	if err != nil || a.Buildset < 1 || a.Buildset > mostID {
		return fmt.Errorf("%.60s, expected a buildset's id and its requests by builder", text)
	}
	return nil
}

// configured is what a master says about itself and about the caller.
type configured struct {
	Auth struct {
		Name string `json:"name" is:"required" max:"40"` // of the class that signs in, such as UserPasswordAuth

		_ contract.Also `names:"autologin fa_icon oauth2"`
	} `json:"auth" is:"required"`
	User struct {
		Anonymous bool   `json:"anonymous"`
		Username  string `json:"username"`
		Email     string `json:"email"`

		_ contract.Also `names:"full_name groups"`
	} `json:"user" is:"required"`
	Versions [][]string `json:"versions"` // names and versions of the programs that it runs on

	_ contract.Also `names:"authz avatar_methods buildbotURL buildbotURLs debug logfileName multiMaster plugins port title titleURL ws_ping_interval"`
}

// user is who is signed in; empty when no one is.
func (c *configured) user() string {
	if c.User.Anonymous {
		return ""
	}
	return cmp.Or(c.User.Username, c.User.Email)
}

// version is Buildbot's; empty where the master does not say it.
func (c *configured) version() string {
	for _, v := range c.Versions {
		if len(v) == 2 && strings.EqualFold(v[0], "Buildbot") {
			return v[1]
		}
	}
	return ""
}

// event is a message of the master's stream of events: what happened to which record.
type event struct {
	Key     []string  `json:"key" is:"required" min:"3" max:"3"` // type, id, event: ["builds", "12", "new"]
	Message *happened `json:"message" is:"required,null"`        // the record; null for a request that is gone
}

// happened is the part that is read of the record in an event. Builds and requests both name
// the request.
type happened struct {
	Build   int64 `json:"buildid"`
	Request int64 `json:"buildrequestid"`
}

// request is the request that an event is about, of a build or of a request; 0 for an event of
// anything else. The id in the key and in the record must agree.
func (e event) request() (int64, error) {
	about, m := e.Key[0], e.Message
	if about != "builds" && about != "buildrequests" {
		return 0, nil
	}
	id, err := strconv.ParseInt(e.Key[1], 10, 64)
	switch {
	case err != nil || id < 1:
		return 0, contract.Outside("key[1]", "%.60q, expected an id", e.Key[1])
	case m == nil && about == "builds":
		return 0, contract.Outside("message", "null, in an event of a build")
	case m == nil:
		return id, nil
	case m.Request < 1:
		return 0, contract.Outside("message.buildrequestid", "%d, expected at least 1", m.Request)
	case about == "builds" && m.Build != id:
		return 0, contract.Differs("message.buildid", m.Build, id)
	case about == "buildrequests" && m.Request != id:
		return 0, contract.Differs("message.buildrequestid", m.Request, id)
	}
	return m.Request, nil
}

// The answer of an endpoint is an object with one list and "meta". The total in meta is not
// used, since on some masters it is that of the page.
type (
	buildersAnswer struct {
		All []Builder     `json:"builders" is:"required" min:"1"`
		_   contract.Also `names:"meta"`
	}
	formsAnswer struct {
		All []forceScheduler `json:"forceschedulers" is:"required"`
		_   contract.Also    `names:"meta"`
	}
	changesAnswer struct {
		All []change      `json:"changes" is:"required"`
		_   contract.Also `names:"meta"`
	}
	setsAnswer struct {
		All []Buildset    `json:"buildsets" is:"required"`
		_   contract.Also `names:"meta"`
	}
	requestsAnswer struct {
		All []BuildRequest `json:"buildrequests" is:"required"`
		_   contract.Also  `names:"meta"`
	}
	buildsAnswer struct {
		All []Build       `json:"builds" is:"required"`
		_   contract.Also `names:"meta"`
	}
	stepsAnswer struct {
		All []step        `json:"steps" is:"required"`
		_   contract.Also `names:"meta"`
	}
	logsAnswer struct {
		All []stepLog     `json:"logs" is:"required"`
		_   contract.Also `names:"meta"`
	}
	// A single record comes as a list of one.
	requestAnswer struct {
		All []BuildRequest `json:"buildrequests" is:"required" min:"1" max:"1"`
		_   contract.Also  `names:"meta"`
	}
	buildAnswer struct {
		All []Build       `json:"builds" is:"required" min:"1" max:"1"`
		_   contract.Also `names:"meta"`
	}
)

const contractSource = "buildbot"

// Each named group in these patterns is the name of a field: every record of the answer must
// have the group's value there, which same checks. For example the answer of
// /api/v2/builders/3/buildrequests may only have requests with the builderid 3, and that of
// /api/v2/buildrequests any.
var (
	builderList = records("builders", `/api/v2/builders$`, "builders", func(a *buildersAnswer) []Builder { return a.All })
	formList    = records("forceschedulers", `/api/v2/forceschedulers$`, "forceschedulers",
		func(a *formsAnswer) []forceScheduler { return a.All })
	changeList  = records("changes", `/api/v2/changes$`, "changes", func(a *changesAnswer) []change { return a.All })
	setRecords  = records("buildsets", `/api/v2/buildsets$`, "buildsets", func(a *setsAnswer) []Buildset { return a.All })
	requestList = records("buildrequests", `/api/v2/(?:builders/(?P<builderid>\d+)/)?buildrequests$`, "buildrequests",
		func(a *requestsAnswer) []BuildRequest { return a.All })
	buildList = records("builds",
		`/api/v2/(?:builders/(?P<builderid>\d+)/|buildrequests/(?P<buildrequestid>\d+)/)?builds$`, "builds",
		func(a *buildsAnswer) []Build { return a.All })
	stepList = records("steps", `/api/v2/builds/(?P<buildid>\d+)/steps$`, "steps",
		func(a *stepsAnswer) []step { return a.All })
	logList = records("logs", `/api/v2/steps/(?P<stepid>\d+)/logs$`, "logs", func(a *logsAnswer) []stepLog { return a.All })

	oneRequest = records("buildrequest", `/api/v2/buildrequests/(?P<buildrequestid>\d+)$`, "buildrequests",
		func(a *requestAnswer) []BuildRequest { return a.All })
	oneBuild = records("build", `/api/v2/(?:builds/(?P<buildid>\d+)|builders/(?P<builderid>\d+)/builds/(?P<number>\d+))$`,
		"builds", func(a *buildAnswer) []Build { return a.All })

	calls = contract.New(contract.Endpoint[called]{
		Source: contractSource, Name: "call", Method: "POST",
		URL:  `/api/v2/(?:forceschedulers/[^/]+|builds/\d+|buildrequests/\d+)$`,
		Same: sameCall,
	})
	configs = contract.New(contract.Endpoint[configured]{Source: contractSource, Name: "config", URL: `/config$`})
	events  = contract.New(contract.Endpoint[event]{
		Source: contractSource, Name: "event", URL: `/sse/listen/`,
		Same: func(_ contract.Asked, e *event) error { _, err := e.request(); return err },
	})
)

// Contracts are the contracts of all answers that this package reads, sorted by title. Logs are
// plain text and have none. The contract of an event is that of one message of the stream, and
// has the stream's address.
func Contracts() []contract.Any {
	out := []contract.Any{
		builderList.is, formList.is, changeList.is, setRecords.is, requestList.is, buildList.is, stepList.is,
		logList.is, oneRequest.is, oneBuild.is, calls, configs, events,
	}
	slices.SortFunc(out, func(a, b contract.Any) int { return strings.Compare(a.Title(), b.Title()) })
	return out
}
