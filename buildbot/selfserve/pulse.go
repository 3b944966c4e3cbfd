package selfserve

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/internal/lax"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

var (
	// buildMessages are whole messages of the masters, with their metadata.
	buildMessages = contract.New(contract.Endpoint[wireMessage]{
		Source: source, Name: "message", File: `[Rr]aw (Buildbot build|Pulse) messages`,
	})
	// payloads are the payloads of those messages, as they come from Pulse.
	payloads = contract.New(contract.Endpoint[wirePayload]{
		Source: source, Name: "payload", Exchange: `^(exchange/build/?|org\.mozilla\.exchange\.build)$`,
	})
	// normalizedMessages are messages that a translator made from those of the masters.
	normalizedMessages = contract.New(contract.Endpoint[wireNormalized]{
		Source: source, Name: "normalized", Exchange: `^exchange/build/normalized/?$`,
	})
)

// wireMessage is a message with its metadata.
type wireMessage struct {
	Payload wirePayload `json:"payload" is:"required"`
	Meta    wireMeta    `json:"_meta" is:"required"`
}

type wireMeta struct {
	RoutingKey string `json:"routing_key" is:"required" min:"1"`

	_ contract.Also `names:"exchange serializer master_name master_incarnation message_id sent"`
}

type wirePayload struct {
	Build wireTold `json:"build" is:"required"`

	_ contract.Also `names:"results"` // some messages repeat the build's results here
}

// wireTold is a build in a master's message.
type wireTold struct {
	Name       string     `json:"builderName" is:"required" min:"1"` // the short name
	Number     int        `json:"number" is:"required" min:"0" max:"2147483647"`
	Results    *int       `json:"results" is:"required,null" min:"0"`
	Times      []*string  `json:"times" is:"required" min:"2" max:"2"` // when it began and ended; null when it has not
	Properties []property `json:"properties" is:"required"`
	Stamp      struct {
		Revision string `json:"revision" is:"required,null"`

		_ contract.Also `names:"branch changes hasPatch project repository"`
	} `json:"sourceStamp" is:"required"`

	_ contract.Also `names:"slave text currentStep blame reason eta steps"`
}

// property is a property of a build. The message has it as a list of name, value and source.
type property struct {
	name  string
	value jsontext.Value
}

// UnmarshalJSON reads the list [name, value, source].
func (p *property) UnmarshalJSON(text []byte) error {
	var all []jsontext.Value
	if json.Unmarshal(text, &all) != nil || len(all) != 3 || json.Unmarshal(all[0], &p.name) != nil ||
		all[0].Kind() != '"' || all[2].Kind() != '"' {
		return fmt.Errorf("expected a property's name, value and source, got %.60s", text)
	}
	p.value = all[1]
	return nil
}

// told are the properties of a build that are read. The masters themselves set the first group;
// scripts set the second, which may have any value.
type told struct {
	Builder  string  `json:"buildername" is:"required" min:"1"`
	Number   int     `json:"buildnumber" is:"required"`
	Branch   string  `json:"branch" is:"required"`
	Revision string  `json:"revision" is:"required,null"`
	Requests []int64 `json:"request_ids" is:"" min:"1"` // release builders and older l10n builders have none

	LogURL     lax.Text `json:"log_url"`
	PackageURL lax.Text `json:"packageUrl"`

	_ contract.Also `names:"*"`
}

var toldProperties = contract.New(contract.Endpoint[told]{Source: source, Name: "message: build.properties"})

// properties turns the list of properties into a JSON object, and decodes that by its contract.
// A name that comes twice is an error. The list [["buildername", "b", "Builder"], ["branch",
// "try", "Build"]] becomes {"buildername": "b", "branch": "try"}.
func (w *wireTold) properties() (*told, error) {
	text := []byte("{")
	for i, p := range w.Properties {
		if i > 0 {
			text = append(text, ',')
		}
		text, _ = jsontext.AppendQuote(text, p.name) // cannot fail: the name was decoded from JSON
		text = append(append(text, ':'), p.value...)
	}
	return toldProperties.Decode(contract.Asked{}, append(text, '}'))
}

// pythons returns a revision, or "" when it is "None", Python's word for no value.
func pythons(revision string) string {
	if revision == "None" {
		return ""
	}
	return revision
}

// message makes a Message of a build, and checks that the build does not contradict itself. key
// is the routing key, "" when it is not known.
func (w *wireTold) message(key string) (Message, job.Times, error) {
	p, err := w.properties()
	if err != nil {
		return Message{}, job.Times{}, err
	}
	m := Message{
		RoutingKey: cmp.Or(key, fmt.Sprintf("build.%s.%d.", w.Name, w.Number)), Builder: p.Builder, Branch: p.Branch,
		Revision: pythons(p.Revision), Result: NoResult, Requests: slices.Sorted(slices.Values(p.Requests)),
		LogURL: string(p.LogURL), BuildURL: string(p.PackageURL),
	}
	t, err := w.times()
	switch {
	case err != nil:
	case p.Number != w.Number:
		err = contract.Outside("build.properties.buildnumber", "%d, but number is %d", p.Number, w.Number)
	case len(m.Requests) > 0 && m.Requests[0] < 1:
		err = contract.Outside("build.properties.request_ids", "%d, expected at least 1", m.Requests[0])
	case len(slices.Compact(slices.Clone(m.Requests))) < len(m.Requests):
		err = contract.Outside("build.properties.request_ids", "%d, in which one comes twice", m.Requests)
	case m.Revision != pythons(w.Stamp.Revision):
		err = contract.Outside("build.properties.revision", "%.60q, but sourceStamp.revision is %.60q",
			p.Revision, w.Stamp.Revision)
	case m.Revision != "" && !isRevision(m.Revision):
		err = contract.Outside("build.properties.revision", "%.60q, expected 12 or 40 digits", p.Revision)
	case w.Results == nil && !t.Finished.IsZero():
		err = contract.Outside("build.results", "null, but the build has ended")
	case w.Results != nil && t.Finished.IsZero():
		err = contract.Outside("build.results", "%d, but the build has not ended", *w.Results)
	case key != "" && numberOf(key) != w.Number:
		err = contract.Differs("_meta.routing_key", key, fmt.Sprintf("number %d", w.Number))
	}
	if w.Results != nil {
		m.Result = *w.Results
	}
	return m, t, err
}

// times returns when a build began, and when it ended if it has. For example
// ["2015-07-02T05:06:07-0700", null] is a build that began at 12:06:07 UTC and still runs.
func (w *wireTold) times() (t job.Times, err error) {
	for i, at := range []*time.Time{&t.Started, &t.Finished} {
		if w.Times[i] == nil {
			continue
		}
		when, err := time.Parse("2006-01-02T15:04:05-0700", *w.Times[i])
		if err != nil {
			return t, contract.Outside(fmt.Sprintf("build.times[%d]", i), "%.60q, expected a time", *w.Times[i])
		}
		*at = when.UTC()
	}
	if t.Started.IsZero() || !t.Finished.IsZero() && t.Finished.Before(t.Started) {
		return t, contract.Outside("build.times", "it ended before it began")
	}
	return t, nil
}

// keys matches a routing key, build.<short name>.<number>.<what happened>, and finds the number.
// The short name may have dots: "build.try-linux64_ubuntu-12.04.17.finished" → 17.
var keys = regexp.MustCompile(`^build\..+\.(\d{1,9})\.\w+$`)

// numberOf is the number of the build in a routing key; anyNumber when it has none.
func numberOf(key string) int {
	m := keys.FindStringSubmatch(key)
	if m == nil {
		return anyNumber
	}
	n, _ := strconv.Atoi(m[1]) // at most 9 digits: cannot fail
	return n
}

// wireNormalized is a normalized message. There is one only for a build that has ended.
type wireNormalized struct {
	Key      string   `json:"key" is:"required" min:"1"`
	Builder  string   `json:"buildername" is:"required" min:"1"`
	Number   int      `json:"job_number" is:"required" min:"0" max:"2147483647"`
	Tree     string   `json:"tree" is:"required" min:"1"`
	Revision string   `json:"revision" is:"required,null"`
	Status   int      `json:"status" is:"required" min:"0"`
	Stamp    string   `json:"timestamp" is:"required"`
	Begun    epoch    `json:"builddate" is:"required" min:"1" max:"4102444800"`
	LogURL   lax.Text `json:"logurl"`
	BuildURL lax.Text `json:"buildurl"`

	_ contract.Also `names:"locale locales testsurl previous_buildid build_number platform version buildtype product"`
	_ contract.Also `names:"slave tags buildid release repack"`
}

// message makes a Message of a normalized message, and checks that it does not contradict
// itself.
func (w *wireNormalized) message() (Message, job.Times, error) {
	m := Message{
		RoutingKey: w.Key, Builder: w.Builder, Branch: w.Tree, Revision: pythons(w.Revision), Result: w.Status,
		LogURL: string(w.LogURL), BuildURL: string(w.BuildURL),
	}
	when, err := time.Parse(time.RFC3339, w.Stamp)
	t := job.Times{Started: w.Begun.time(), Finished: when.UTC()}
	switch {
	case err != nil:
		err = contract.Outside("timestamp", "%.60q, expected a time", w.Stamp)
	case t.Finished.Before(t.Started):
		err = contract.Outside("timestamp", "%.60q, before builddate %d", w.Stamp, w.Begun)
	case m.Revision != "" && !isRevision(m.Revision):
		err = contract.Outside("revision", "%.60q, expected 12 or 40 digits", w.Revision)
	case numberOf(w.Key) != w.Number:
		err = contract.Differs("key", w.Key, fmt.Sprintf("job_number %d", w.Number))
	}
	return m, t, err
}
