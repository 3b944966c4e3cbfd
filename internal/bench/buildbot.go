package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/job"
)

const (
	dumpSize        = 100 << 20 // size of a day's dump, unpacked, in bytes
	dumpPushes      = 10
	dumpRatio       = 1.2 // at most this many times as long as gunzip and a bare decode
	dumpStatusRatio = 2.0 // the same with the listings, and with the names, kinds and jobs that are concluded from both
	dumpMemory      = 64 << 20
	statusMemory    = 128 << 20 // the result is only a count, so the index of the dump counts as memory above it
)

// dumpDay is the day that the dump is of.
var dumpDay = time.Date(2015, 6, 1, 12, 0, 0, 0, time.UTC)

// tinderbox is the address where builds put their files.
const tinderbox = "http://ftp.mozilla.org/pub/mozilla.org/firefox/tinderbox-builds/mozilla-inbound-linux64/"

// dump measures how long it takes to read a day's dump, and to find the true statuses of all jobs
// of ten pushes, which needs that dump. The baseline unpacks the dump and decodes the same members
// with json v2.
func dump(t *testing.T) {
	packed, entries, builds := dumpOfDay(t)
	service := &stored{dump: packed, entries: entries}
	fmt.Printf("buildbot: the jobs of %d pushes, with a day's dump of %d MB (%d MB packed, %d builds)\n\n", dumpPushes,
		dumpSize>>20, len(packed)>>20, builds)
	contend(t, contest{
		what: "dump", size: dumpSize, most: dumpRatio, memory: dumpMemory,
		baseline: func() any { return bareDump(t, packed) },
		measured: func() any { return dumpBuilds(t, packed, builds) },
	})
	contend(t, contest{
		what: "statuses", size: dumpSize, most: dumpStatusRatio, memory: statusMemory,
		baseline: func() any { return []any{bareDump(t, packed), bareListings(t, entries)} },
		measured: func() any {
			n := dumpStatuses(t, service)
			if n != builds {
				t.Fatalf("%d jobs succeeded, expected %d", n, builds)
			}
			return n
		},
	})
}

// dumpBuilds reads the dump as a stream and keeps its builds.
func dumpBuilds(t *testing.T, packed []byte, want int) map[int64]selfserve.DumpBuild {
	t.Helper()
	all := map[int64]selfserve.DumpBuild{}
	err := selfserve.ReadDump(bytes.NewReader(packed), func(b selfserve.DumpBuild) error {
		all[b.ID] = b
		return nil
	})
	if err != nil || len(all) != want {
		t.Fatalf("%d builds, expected %d: %v", len(all), want, err)
	}
	return all
}

func dumpRevision(push int) string { return fmt.Sprintf("%012x%028x", 0xabc0000+push, push) }

// dumpOfDay makes a day's dump with builds of a realistic size, and self-serve's listing of each
// push.
func dumpOfDay(t *testing.T) (packed []byte, entries map[string][]byte, builds int) {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	size := 0
	write := func(text string) {
		n, err := io.WriteString(z, text)
		if err != nil {
			t.Fatal(err)
		}
		size += n
	}
	lists := map[string][]string{}
	write(`{"builders": {}, "builds": [`)
	for ; size < dumpSize; builds++ {
		if builds > 0 {
			write(",")
		}
		id := 70000000 + builds
		push := builds % dumpPushes
		name := fmt.Sprintf("Ubuntu VM 12.04 x64 mozilla-inbound opt test mochitest-%d", builds%200)
		write(dumpBuild(id, name, dumpRevision(push)))
		short := dumpRevision(push)[:12]
		lists[short] = append(lists[short], listed(id, name, dumpRevision(push)))
	}
	day := dumpDay.Truncate(24 * time.Hour)
	write(fmt.Sprintf(`], "endtime": %d, "starttime": %d}`, day.Add(24*time.Hour).Unix()-1, day.Unix()))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	entries = map[string][]byte{}
	for short, list := range lists {
		entries[short] = []byte("[" + strings.Join(list, ",") + "]")
	}
	return out.Bytes(), entries, builds
}

// listed is a build in a listing of self-serve.
func listed(id int, name, revision string) string {
	return fmt.Sprintf(`{"build_id": %d, "buildnumber": %d, "buildername": %q, "branch": "mozilla-inbound",
		"revision": %q, "starttime": 1433158000, "endtime": %d, "status": 0, "requests": [{"request_id": %d,
		"buildername": %q, "branch": "mozilla-inbound", "revision": %q, "submittime": 1433150000, "complete": 1,
		"complete_at": %d, "priority": 0, "reason": "scheduler"}]}`,
		id, id, name, revision, dumpDay.Unix(), id, name, revision, dumpDay.Unix())
}

// dumpBuild is one build of 3 kB. Most of its properties are not read by mozci.
func dumpBuild(id int, name, revision string) string {
	p := map[string]any{
		"buildername": name, "buildnumber": id, "revision": revision, "branch": "mozilla-inbound",
		"request_ids":   []int{id},
		"request_times": map[string]int{fmt.Sprint(id): 1433150000},
		"packageUrl": fmt.Sprintf(
			tinderbox+"%d/firefox-41.0a1.en-US.linux-x86_64.tar.bz2", id),
		"testsUrl": fmt.Sprintf(
			tinderbox+"%d/firefox-41.0a1.en-US.linux-x86_64.tests.zip", id),
		"log_url": fmt.Sprintf(
			tinderbox+"%d/mozilla-inbound-bm%d.txt.gz", id, id%90),
	}
	for i := range 30 {
		p[fmt.Sprintf("property_%02d", i)] = fmt.Sprintf(
			"/builds/slave/test/scripts/configs/unittests/linux_unittest.py %d", id*31+i)
	}
	text, err := json.Marshal(map[string]any{
		"id": id, "builder_id": 1, "slave_id": 2, "master_id": 3, "buildnumber": id, "requesttime": 1433150000,
		"starttime": 1433158000, "endtime": dumpDay.Unix(),
		"result": 0, "reason": "scheduler", "request_ids": []int{id}, "properties": p,
	}, json.Deterministic(true))
	if err != nil {
		panic(err)
	}
	return string(text)
}

// stored answers from memory, without copying: a day's dump and the listings of pushes.
type stored struct {
	dump    []byte
	entries map[string][]byte
}

func (s *stored) RoundTrip(r *http.Request) (*http.Response, error) {
	body := s.entries[path.Base(r.URL.Path)]
	if strings.HasSuffix(r.URL.Path, ".js.gz") {
		body = s.dump
	}
	return &http.Response{
		StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(body)), Header: http.Header{},
		Request: r, ContentLength: int64(len(body)),
	}, nil
}

func dumpStatuses(t *testing.T, service http.RoundTripper) int {
	t.Helper()
	const url = "http://selfserve.example"
	c, err := selfserve.New(url, &selfserve.Options{
		HTTP: &http.Client{Transport: service}, BuildDataURL: url,
		Now: func() time.Time { return dumpDay.Add(48 * time.Hour) },
	})
	if err != nil {
		t.Fatal(err)
	}
	p, n := c.Project("mozilla-inbound"), 0
	for i := range dumpPushes {
		jobs, err := p.Jobs(t.Context(), job.Push{Repo: "mozilla-inbound", ID: int64(i), Revision: dumpRevision(i)})
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs {
			if j.Status() == job.StatusSuccess {
				n++
			}
		}
	}
	return n
}

// bareBuild is what mozci reads of a build in a dump, for a decoder without checks.
type bareBuild struct {
	ID         int64   `json:"id"`
	Master     int64   `json:"master_id"`
	Number     int     `json:"buildnumber"`
	Requested  int64   `json:"requesttime"`
	Started    int64   `json:"starttime"`
	Finished   int64   `json:"endtime"`
	Result     int     `json:"result"`
	Reason     string  `json:"reason"`
	Requests   []int64 `json:"request_ids"`
	Properties struct {
		Builder         string  `json:"buildername"`
		Number          *int    `json:"buildnumber"`
		Revision        string  `json:"revision"`
		GotRevision     string  `json:"got_revision"`
		Branch          string  `json:"branch"`
		Scheduler       string  `json:"scheduler"`
		Requests        []int64 `json:"request_ids"`
		PackageURL      string  `json:"packageUrl"`
		TestsURL        string  `json:"testsUrl"`
		TestPackagesURL string  `json:"testPackagesUrl"`
		LogURL          string  `json:"log_url"`
		BlobberFiles    string  `json:"blobber_files"`
	} `json:"properties"`
}

// bareEntry is what mozci reads of a build in a listing.
type bareEntry struct {
	ID       int64  `json:"build_id"`
	Number   int    `json:"buildnumber"`
	Builder  string `json:"buildername"`
	Branch   string `json:"branch"`
	Revision string `json:"revision"`
	Started  int64  `json:"starttime"`
	Finished int64  `json:"endtime"`
	Status   *int   `json:"status"`
	Requests []struct {
		ID        int64  `json:"request_id"`
		Builder   string `json:"buildername"`
		Branch    string `json:"branch"`
		Revision  string `json:"revision"`
		Reason    string `json:"reason"`
		Priority  int    `json:"priority"`
		Complete  int    `json:"complete"`
		Submitted int64  `json:"submittime"`
		Finished  int64  `json:"complete_at"`
	} `json:"requests"`
}

// bareListings is the rest of the baseline for statuses: the listings of all pushes.
func bareListings(t *testing.T, entries map[string][]byte) [][]bareEntry {
	t.Helper()
	var all [][]bareEntry
	for _, text := range entries {
		var list []bareEntry
		if err := json.UnmarshalRead(bytes.NewReader(text), &list); err != nil {
			t.Fatal(err)
		}
		all = append(all, list)
	}
	return all
}

// bareDump is the baseline: it unpacks the dump and decodes it, build by build, without checks.
func bareDump(t *testing.T, packed []byte) map[int64]bareBuild {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	dec := jsontext.NewDecoder(z)
	var all map[int64]bareBuild
	if _, err := dec.ReadToken(); err != nil {
		t.Fatal(err)
	}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			t.Fatal(err)
		}
		if name.String() == "builds" {
			all = bareBuilds(t, dec)
		} else if err := dec.SkipValue(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// bareBuilds reads the list of builds.
func bareBuilds(t *testing.T, dec *jsontext.Decoder) map[int64]bareBuild {
	t.Helper()
	all := map[int64]bareBuild{}
	if _, err := dec.ReadToken(); err != nil {
		t.Fatal(err)
	}
	for dec.PeekKind() == '{' {
		var b bareBuild
		if err := json.UnmarshalDecode(dec, &b); err != nil {
			t.Fatal(err)
		}
		all[b.ID] = b
	}
	if _, err := dec.ReadToken(); err != nil {
		t.Fatal(err)
	}
	return all
}
