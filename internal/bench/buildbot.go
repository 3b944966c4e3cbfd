package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mozci/mozci/buildbot/selfserve"
	"github.com/mozci/mozci/job"
)

const (
	dumpSize   = 100 << 20 // of the day, unpacked
	dumpPushes = 10
	dumpMost   = 1.5 // of gunzip and a token pass
	dumpMemory = 128 << 20
	dumpRounds = 5
)

// dumpDay is the day of the dump.
var dumpDay = time.Date(2015, 6, 1, 12, 0, 0, 0, time.UTC)

// tinderbox is where builds put their files.
const tinderbox = "http://ftp.mozilla.org/pub/mozilla.org/firefox/tinderbox-builds/mozilla-inbound-linux64/"

// dump measures the true statuses of all jobs of ten pushes, for which a day's
// dump is needed, against unpacking it and looking at its tokens.
func dump(t *testing.T) {
	packed, entries, builds := dumpOfDay(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".js.gz") {
			_, _ = w.Write(packed)
			return
		}
		at := strings.LastIndexByte(r.URL.Path, '/')
		_, _ = w.Write(entries[r.URL.Path[at+1:]])
	}))
	defer server.Close()
	fmt.Printf("buildbot: the jobs of %d pushes, with a day's dump of %d MB (%d MB packed, %d builds)\n\n", dumpPushes,
		dumpSize>>20, len(packed)>>20, builds)
	ours := func() any { return dumpStatuses(t, server.URL) }
	theirs := func() any { return bareDump(t, packed) }
	var a, b []time.Duration
	for range dumpRounds {
		began := time.Now()
		theirs()
		a = append(a, time.Since(began))
		began = time.Now()
		if n := ours(); n != builds {
			t.Fatalf("%d jobs succeeded, expected %d", n, builds)
		}
		b = append(b, time.Since(began))
	}
	slices.Sort(a)
	slices.Sort(b)
	ratio := float64(b[dumpRounds/2]) / float64(a[dumpRounds/2])
	fmt.Printf("statuses        bare decode %v   ours %v   ratio %.2f (at most %.2f)\n",
		a[dumpRounds/2].Round(time.Millisecond), b[dumpRounds/2].Round(time.Millisecond), ratio, dumpMost)
	above, _ := peak(ours)
	fmt.Printf("memory          at most %.1f MiB of heap above what was there (at most %d)\n", mib(above),
		dumpMemory>>20)
	if ratio > dumpMost || above > dumpMemory {
		t.Errorf("ratio %.2f, %.1f MiB", ratio, mib(above))
	}
}

func dumpRevision(push int) string { return fmt.Sprintf("%012x%028x", 0xabc0000+push, push) }

// dumpOfDay makes a day's dump of builds as large as real ones were, and what
// self-serve says of each push.
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

// listed is a build as self-serve lists it.
func listed(id int, name, revision string) string {
	return fmt.Sprintf(`{"build_id": %d, "buildnumber": %d, "buildername": %q, "branch": "mozilla-inbound",
		"revision": %q, "starttime": 1433158000, "endtime": %d, "status": 0, "requests": [{"request_id": %d,
		"buildername": %q, "branch": "mozilla-inbound", "revision": %q, "submittime": 1433150000, "complete": 1,
		"complete_at": %d, "priority": 0, "reason": "scheduler"}]}`,
		id, id, name, revision, dumpDay.Unix(), id, name, revision, dumpDay.Unix())
}

// dumpBuild is one build of three kilobytes, with properties that nobody reads.
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

func dumpStatuses(t *testing.T, url string) int {
	t.Helper()
	c, err := selfserve.New(url, &selfserve.Options{
		BuildDataURL: url,
		Now:          func() time.Time { return dumpDay.Add(48 * time.Hour) },
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

// bareBuild is what an index of a dump needs of a build.
type bareBuild struct {
	ID         int64   `json:"id"`
	Number     int     `json:"buildnumber"`
	Finished   int64   `json:"endtime"`
	Result     int     `json:"result"`
	Requests   []int64 `json:"request_ids"`
	Properties struct {
		Builder    string `json:"buildername"`
		Revision   string `json:"revision"`
		PackageURL string `json:"packageUrl"`
		TestsURL   string `json:"testsUrl"`
		LogURL     string `json:"log_url"`
	} `json:"properties"`
}

// bareDump is the baseline: the dump unpacked and decoded, build by build, by a decoder
// that checks nothing.
func bareDump(t *testing.T, packed []byte) int {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	dec, n := jsontext.NewDecoder(z), 0
	if _, err := dec.ReadToken(); err != nil {
		t.Fatal(err)
	}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			t.Fatal(err)
		}
		if name.String() == "builds" {
			n += len(bareBuilds(t, dec))
		} else if err := dec.SkipValue(); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// bareBuilds reads the list of the builds.
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
