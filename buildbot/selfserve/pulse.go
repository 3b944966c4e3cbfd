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
	// buildMessages are those of the masters, whole.
	buildMessages = contract.New(contract.Endpoint[wireMessage]{
		Source: source, Name: "message", File: `[Rr]aw (Buildbot build|Pulse) messages`,
	})
	// payloads are what those messages carry.
	payloads = contract.New(contract.Endpoint[wirePayload]{
		Source: source, Name: "payload", Exchange: `^(exchange/build/?|org\.mozilla\.exchange\.build)$`,
	})
	// normalizedMessages are those that a translator made of the masters'.
	normalizedMessages = contract.New(contract.Endpoint[wireNormalized]{
		Source: source, Name: "normalized", Exchange: `^exchange/build/normalized/?$`,
	})
)

// wireMessage is a message with what Pulse says of it.
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

	_ contract.Also `names:"results"` // some messages say the build's twice
}

// wireTold is a build that a master tells of.
type wireTold struct {
	Name       string     `json:"builderName" is:"required" min:"1"` // short
	Number     int        `json:"number" is:"required" min:"0" max:"2147483647"`
	Results    *int       `json:"results" is:"required,null" min:"0"`
	Times      []*string  `json:"times" is:"required" min:"2" max:"2"` // begun, ended
	Properties []property `json:"properties" is:"required"`
	Stamp      struct {
		Revision string `json:"revision" is:"required,null"`

		_ contract.Also `names:"branch changes hasPatch project repository"`
	} `json:"sourceStamp" is:"required"`

	_ contract.Also `names:"slave text currentStep blame reason eta steps"`
}

// property is a property of a build: its name, value and source.
type property struct {
	name  string
	value jsontext.Value
}

// UnmarshalJSON reads the list of three.
func (p *property) UnmarshalJSON(text []byte) error {
	var all []jsontext.Value
	if json.Unmarshal(text, &all) != nil || len(all) != 3 || json.Unmarshal(all[0], &p.name) != nil ||
		all[0].Kind() != '"' || all[2].Kind() != '"' {
		return fmt.Errorf("expected a property's name, value and source, got %.60s", text)
	}
	p.value = all[1]
	return nil
}

// told are the properties of a build that are read. The masters themselves set the
// first of them; the others are what scripts say, and may be anything.
type told struct {
	Builder  string  `json:"buildername" is:"required" min:"1"`
	Number   int     `json:"buildnumber" is:"required"`
	Branch   string  `json:"branch" is:"required"`
	Revision string  `json:"revision" is:"required,null"`
	Requests []int64 `json:"request_ids" is:"" min:"1"` // of release and older l10n builders none

	LogURL     lax.Text `json:"log_url"`
	PackageURL lax.Text `json:"packageUrl"`

	_ contract.Also `names:"*"`
}

var toldProperties = contract.New(contract.Endpoint[told]{Source: source, Name: "message: build.properties"})

// properties are those of a build as an object; a name that comes twice is an error.
func (w *wireTold) properties() (*told, error) {
	text := []byte("{")
	for i, p := range w.Properties {
		if i > 0 {
			text = append(text, ',')
		}
		text, _ = jsontext.AppendQuote(text, p.name) // it was read as text
		text = append(append(text, ':'), p.value...)
	}
	return toldProperties.Decode(contract.Asked{}, append(text, '}'))
}

// pythons is a revision without Python's word for none.
func pythons(revision string) string {
	if revision == "None" {
		return ""
	}
	return revision
}

// message is what a build that a master tells of says; key is empty where it is not
// known.
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
		err = contract.Outside("build.properties.buildnumber", "%d, and number is %d", p.Number, w.Number)
	case len(m.Requests) > 0 && m.Requests[0] < 1:
		err = contract.Outside("build.properties.request_ids", "%d, expected at least 1", m.Requests[0])
	case len(slices.Compact(slices.Clone(m.Requests))) < len(m.Requests):
		err = contract.Outside("build.properties.request_ids", "%d, one of which comes twice", m.Requests)
	case m.Revision != pythons(w.Stamp.Revision):
		err = contract.Outside("build.properties.revision", "%.60q, and sourceStamp.revision is %.60q",
			p.Revision, w.Stamp.Revision)
	case m.Revision != "" && !isRevision(m.Revision):
		err = contract.Outside("build.properties.revision", "%.60q, expected 12 or 40 digits", p.Revision)
	case w.Results == nil && !t.Finished.IsZero():
		err = contract.Outside("build.results", "null, and the build has ended")
	case w.Results != nil && t.Finished.IsZero():
		err = contract.Outside("build.results", "%d, and the build has not ended", *w.Results)
	case key != "" && numberOf(key) != w.Number:
		err = contract.Differs("_meta.routing_key", key, fmt.Sprintf("number %d", w.Number))
	}
	if w.Results != nil {
		m.Result = *w.Results
	}
	return m, t, err
}

// times are when a build began, and when it ended if it has.
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

// keys is the end of a routing key: the build's number and what happened.
var keys = regexp.MustCompile(`^build\..+\.(\d{1,9})\.\w+$`)

// numberOf is the number of the build in a routing key; anyNumber where there is none.
func numberOf(key string) int {
	m := keys.FindStringSubmatch(key)
	if m == nil {
		return anyNumber
	}
	n, _ := strconv.Atoi(m[1]) // nine digits
	return n
}

// wireNormalized is a message of a build that has ended.
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

// message is what a message of normalized says.
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
