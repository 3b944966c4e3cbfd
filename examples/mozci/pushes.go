package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mozci/mozci/job"
)

// rangeFlags are the ways of the pushes command to name a range.
type rangeFlags struct {
	rev, fromRev  string
	before, after int
	ids           string
	since, until  string
}

func (a *app) pushesCommand() *cobra.Command {
	var r rangeFlags
	cmd := &cobra.Command{
		Use:   "pushes",
		Short: "List the pushes in a range, oldest first",
		Long: `List the pushes in a range, oldest first: around a revision, between two
revisions, between two push ids, or between two dates. Both ends are included.`,
		Example: `  mozci pushes --world testdata/worlds/permanent.txt --rev tip --before 3
  mozci pushes --rev tip --before 9
  mozci pushes --from-rev 08463e1e5b9e --rev a062f26a3ad8
  mozci pushes --repo mozilla-central --ids 33333:33340
  mozci pushes --since 2026-01-05 --until 2026-01-06T12:00:00Z`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.pushes(cmd, r) },
	}
	f := cmd.Flags()
	f.StringVar(&r.rev, "rev", "", "a `revision`: 12 to 40 digits of hg or git, or tip")
	f.StringVar(&r.fromRev, "from-rev", "", "the oldest `revision` of a range that ends with --rev")
	f.IntVar(&r.before, "before", 0, "this `number` of pushes before --rev")
	f.IntVar(&r.after, "after", 0, "this `number` of pushes after --rev")
	f.StringVar(&r.ids, "ids", "", "a range of push ids, `LO:HI`")
	f.StringVar(&r.since, "since", "", "the first `date`, RFC 3339 or YYYY-MM-DD (UTC)")
	f.StringVar(&r.until, "until", "", "the last `date`; a day counts to its end")
	return cmd
}

func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("unexpected %q: everything is said with flags", args[0])
	}
	return nil
}

func (a *app) pushes(cmd *cobra.Command, f rangeFlags) error {
	r, err := f.parse()
	if err != nil {
		return err
	}
	repo, err := a.pushRepository()
	if err != nil {
		return err
	}
	pushes, err := repo.Pushes(cmd.Context(), r)
	if err != nil {
		return err
	}
	if len(pushes) == 0 {
		newest := ""
		if tip, err := repo.Push(cmd.Context(), "tip"); err == nil {
			newest = fmt.Sprintf("; the newest push is %s of %s", pushName(tip), tip.Time.UTC().Format(time.DateTime))
		}
		return job.Wrap("pushes", repo.Name(), fmt.Errorf("%w: no pushes in this range%s", job.ErrNotFound, newest))
	}
	if !a.json {
		a.printPushes(pushes)
		return nil
	}
	for _, p := range pushes {
		if err := a.printPushJSON(p); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) printPushes(pushes []job.Push) {
	g := grid{head: []string{"push", "time (UTC)", "by", "what"}, cut: map[int]bool{3: true, 4: true}, list: true}
	for _, p := range pushes {
		name := revisions(p)
		if p.ID != 0 {
			name = fmt.Sprintf("%d %s", p.ID, name)
		}
		g.add(cell{}, cell{text: name, url: a.pushPage(p)}, cell{text: p.Time.UTC().Format("2006-01-02 15:04")},
			cell{text: p.User}, cell{text: firstLine(p)})
	}
	g.write(a, a.out)
}

// parse makes a range of the flags, which must name it in one way.
func (f rangeFlags) parse() (job.Range, error) {
	var r job.Range
	var err error
	ways := 0
	if f.ids != "" {
		ways++
		r, err = parseIDs(f.ids)
	}
	if f.since != "" || f.until != "" {
		ways++
		r, err = parseDates(f.since, f.until)
	}
	if f.rev != "" || f.fromRev != "" {
		ways++
		r = job.Around(f.rev, f.before, f.after)
		if f.fromRev != "" {
			r = job.Between(f.fromRev, f.rev)
		}
	}
	switch {
	case err != nil:
		return job.Range{}, err
	case ways != 1:
		return job.Range{}, usage("expected one of --rev, --from-rev with --rev, --ids, or --since with --until")
	case f.rev == "" && f.fromRev != "":
		return job.Range{}, usage("--from-rev needs --rev, the last revision of the range")
	case (f.before != 0 || f.after != 0) && (f.rev == "" || f.fromRev != ""):
		return job.Range{}, usage("--before and --after go with --rev alone")
	case f.before < 0 || f.after < 0:
		return job.Range{}, usage("--before %d and --after %d: expected 0 or more", f.before, f.after)
	}
	r.Full = true
	return r, nil
}

func parseIDs(s string) (job.Range, error) {
	lo, hi, ok := strings.Cut(s, ":")
	first, err1 := strconv.ParseInt(lo, 10, 64)
	last, err2 := strconv.ParseInt(hi, 10, 64)
	if !ok || err1 != nil || err2 != nil || first < 0 || last < 1 {
		return job.Range{}, usage("--ids %q: expected LO:HI, two push ids", s)
	}
	if first > last {
		return job.Range{}, usage("--ids %q: the first is after the last", s)
	}
	return job.IDs(first, last), nil
}

func parseDates(since, until string) (job.Range, error) {
	from, _, err := parseDate("--since", since)
	if err != nil {
		return job.Range{}, err
	}
	to, day, err := parseDate("--until", until)
	if err != nil {
		return job.Range{}, err
	}
	if day {
		to = to.Add(24*time.Hour - time.Second)
	}
	if to.Before(from) {
		return job.Range{}, usage("--since %s is after --until %s", since, until)
	}
	return job.Dates(from, to), nil
}

// parseDate reads RFC 3339 or a day, and says which.
func parseDate(flag, s string) (t time.Time, day bool, err error) {
	if t, err = time.Parse(time.RFC3339, s); err == nil {
		return t.UTC(), false, nil
	}
	if t, err = time.Parse(time.DateOnly, s); err == nil {
		return t, true, nil
	}
	return t, false, usage("%s %q: expected a date such as 2026-01-05 or 2026-01-05T12:00:00Z", flag, s)
}

type changesetJSON struct {
	Node        string   `json:"node"`
	Git         *string  `json:"git_node"`
	Author      *string  `json:"author"`
	Description *string  `json:"description"`
	Parents     []string `json:"parents"`
}

func (a *app) printPushJSON(p job.Push) error {
	changesets := []changesetJSON{}
	for _, c := range p.Changesets {
		changesets = append(changesets, changesetJSON{
			c.Node, orNull(c.Git), orNull(c.Author), orNull(c.Description),
			append([]string{}, c.Parents...),
		})
	}
	return a.printJSON(struct {
		Repo       string          `json:"repo"`
		ID         int64           `json:"id"`
		Revision   *string         `json:"revision"`
		Git        *string         `json:"git_revision"`
		Hg         *string         `json:"hg_revision"`
		Branch     *string         `json:"branch"`
		User       *string         `json:"user"`
		Time       *time.Time      `json:"time"`
		Changesets []changesetJSON `json:"changesets"`
	}{
		p.Repo, p.ID, orNull(p.Revision), orNull(p.Git), orNull(p.Hg), orNull(p.Branch), orNull(p.User),
		timeOrNull(p.Time), changesets,
	})
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// firstLine is the beginning of the tip's description.
func firstLine(p job.Push) string {
	if len(p.Changesets) == 0 {
		return ""
	}
	line, _, _ := strings.Cut(p.Changesets[len(p.Changesets)-1].Description, "\n")
	return strings.TrimRight(line, "\r")
}
