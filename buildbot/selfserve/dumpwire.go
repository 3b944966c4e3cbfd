package selfserve

import (
	"fmt"
	"time"

	"github.com/mozci/mozci/internal/lax"
	"github.com/mozci/mozci/job/contract"
)

// dumpContract is a status dump: the builds that ended between two times. "of" is "4hr" in
// /builds-4hr.js.gz, and "2015-07-02" in /builds-2015-07-02.js.gz.
var dumpContract = contract.New(contract.Endpoint[wireDump]{
	Source: source, Name: "dump", URL: `/builds-(?P<of>4hr|\d{4}-\d{2}-\d{2})\.js(\.gz)?$`,
	File: `builds-(4hr|4h|\d{4}-\d{2}-\d{2})`, Same: samePeriod,
})

// dumpedBuilds are the builds of a dump as a bare list, as some people saved them.
var dumpedBuilds = contract.New(contract.Endpoint[[]wireDumped]{
	Source: source, Name: "dumped", File: `buildjson_builds\.json`,
})

// wireDump is a dump. Saved dumps may lack their times.
type wireDump struct {
	Builds   []wireDumped `json:"builds" is:"required"`
	Started  epoch        `json:"starttime" is:"" min:"1" max:"4102444800"`
	Finished epoch        `json:"endtime" is:"" min:"1" max:"4102444800"`

	_ contract.Also `names:"masters builders slaves"` // dumps had these until July 2015
}

// wireDumped is a build in a dump. Dumps have only builds that have ended.
type wireDumped struct {
	ID         int64      `json:"id" is:"required" min:"1" max:"2147483647"`
	Master     int64      `json:"master_id" is:"" min:"1"`
	Number     int        `json:"buildnumber" is:"required" min:"0" max:"2147483647"`
	Requested  epoch      `json:"requesttime" is:"" min:"1" max:"4102444800"`
	Started    epoch      `json:"starttime" is:"required" min:"1" max:"4102444800"`
	Finished   epoch      `json:"endtime" is:"required" min:"1" max:"4102444800"`
	Result     int        `json:"result" is:"required" min:"0" max:"6"`
	Reason     string     `json:"reason" is:""`
	Requests   []int64    `json:"request_ids" is:"required"`
	Properties properties `json:"properties" is:"required"`

	_ contract.Also `names:"builder_id slave_id"`
}

// properties are the properties of a build that are read. Buildbot itself sets the first group,
// all of them or none: an empty object means that the dump's writer could not read them. Scripts
// set the second group, which may have any value.
type properties struct {
	Builder     string  `json:"buildername"`
	Number      *int    `json:"buildnumber"`
	Revision    string  `json:"revision"`
	GotRevision string  `json:"got_revision"`
	Branch      string  `json:"branch"`
	Scheduler   string  `json:"scheduler"`
	Requests    []int64 `json:"request_ids"`

	GeckoRevision   lax.Word `json:"gecko_revision"` // set by B2G's builds
	PackageURL      string   `json:"packageUrl" is:"open"`
	TestsURL        string   `json:"testsUrl" is:"open"`
	TestPackagesURL string   `json:"testPackagesUrl" is:"open"`
	LogURL          string   `json:"log_url" is:"open"`
	BlobberFiles    string   `json:"blobber_files" is:"open"`

	_ contract.Also `names:"*"`
}

// proven checks that a build does not contradict itself, and that its properties are complete.
// place is its index in the dump, for the error.
func (d *wireDumped) proven(place int) error {
	p := &d.Properties
	at := func(field string) string { return fmt.Sprintf("builds[%d].%s", place, field) }
	switch {
	case d.Finished < d.Started:
		return contract.Outside(at("endtime"), "%d, before starttime %d", d.Finished, d.Started)
	case len(d.Requests)+len(p.Requests) == 0:
		return contract.Outside(at("request_ids"), "empty, and so is properties.request_ids")
	case p.Builder == "" && (p.Number != nil || p.Revision != "" || p.GotRevision != "" || p.Branch != "" ||
		len(p.Requests) > 0):
		return absent(at("properties.buildername"))
	case p.Number != nil && *p.Number != d.Number:
		return contract.Outside(at("properties.buildnumber"), "%d, but buildnumber is %d", *p.Number, d.Number)
	}
	for _, id := range d.Requests {
		if id < 1 {
			return contract.Outside(at("request_ids"), "%d, expected at least 1", id)
		}
	}
	for _, id := range p.Requests {
		if id < 1 {
			return contract.Outside(at("properties.request_ids"), "%d, expected at least 1", id)
		}
	}
	return nil
}

// holds checks that all builds ended within the dump's period.
func (d *wireDump) holds(seen span) error {
	if seen.builds == 0 || !d.dated() {
		return nil
	}
	for _, e := range []ending{seen.first, seen.last} {
		if e.at < d.Started || e.at > d.Finished {
			return contract.Outside(fmt.Sprintf("builds[%d].endtime", e.place),
				"%d, in a dump from %d to %d", e.at, d.Started, d.Finished)
		}
	}
	return nil
}

// dated reports whether the dump has real times. Some saved dumps have placeholders such as 0
// or 1, which lie before Buildbot's first dumps.
func (d *wireDump) dated() bool { return d.Started > firstDumps && d.Finished > firstDumps }

// firstDumps is the beginning of 2010, in seconds since 1970.
const firstDumps = 1262304000

// samePeriod checks that a dump is of the requested day, if it has times. Its period only has to
// overlap the day in UTC, since the service's days may be of another time zone.
//
// A dump of 2015-07-02 whose times are from 07:00 that day to 07:00 the next, as in California,
// overlaps the day; one that begins at midnight of 2015-07-03 does not, since the end of a day
// is not part of it.
func samePeriod(asked contract.Asked, d *wireDump) error {
	switch {
	case !d.dated():
		return nil
	case d.Finished < d.Started:
		return contract.Outside("endtime", "%d, before starttime %d", d.Finished, d.Started)
	}
	if day, err := time.Parse(time.DateOnly, asked.Var("of")); err == nil {
		next := day.AddDate(0, 0, 1)
		if !d.Started.time().Before(next) || !d.Finished.time().After(day) {
			return contract.Differs("starttime", d.Started.time().Format(time.DateTime), asked.Var("of"))
		}
	}
	var seen span // for a dump that was decoded as a whole, not one build at a time
	for i := range d.Builds {
		if err := seen.add(&d.Builds[i]); err != nil {
			return err
		}
	}
	return d.holds(seen)
}
