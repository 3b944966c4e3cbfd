package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
)

// The repositories of a week. Pushes to the inner one reach the outer one through merges.
const (
	weekOuter = "outer"
	weekInner = "inner"
)

// weekSize says how much happens in a week.
type weekSize struct{ pushes, labels, flakes, breaks, merges int }

// week is a generated history, with the truth behind it.
type week struct {
	text   string
	lasts  time.Duration
	breaks []weekBreak
}

// weekBreak is one real break.
type weekBreak struct {
	label, sign string
	culprit     job.PushKey // the inner push when it came with a merge
	from, until int         // the break is on the outer pushes from from to before until, which backs it out
	after       float64     // the share of its runs that fail since then
	inner       int         // the id of the inner push; 0 when it came without a merge
	lasting     bool        // it fails always, and for long enough to be seen
}

// weekMaker draws a week at random.
type weekMaker struct {
	weekSize
	rng    *rand.Rand
	breaks []weekBreak
	flakes map[string]float64 // the share of a label's runs that fail without a break
	merges map[int][2]int     // outer pushes that are merges, and the range of inner pushes that they brought
	undoes map[int]int
	every  time.Duration
}

// weekRate is the share of pushes on which a label runs: a CI skips most of what it could run.
const weekRate = 0.4

// newWeek draws a week. Each break has its own label, and is backed out 8 to 15 pushes after the
// first push that shows it: that is a working day, as pushes come every 50 minutes.
func newWeek(size weekSize, seed uint64) *week {
	m := &weekMaker{
		weekSize: size, rng: rand.New(rand.NewPCG(seed, seed)), // #nosec G404 -- a simulation, seeded on purpose
		flakes: map[string]float64{}, merges: map[int][2]int{}, undoes: map[int]int{},
		every: 7 * 24 * time.Hour / 200,
	}
	labels := make([]string, size.labels)
	for i := range labels {
		labels[i] = fmt.Sprintf("linux64/opt/suite%d-%d", i/10, i%10+1)
	}
	mixed := slices.Clone(labels)
	m.rng.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
	for _, l := range mixed[size.breaks : size.breaks+size.flakes] {
		m.flakes[l] = 0.01 + 0.09*m.rng.Float64()
	}
	m.mergeAll()
	cells := m.draw(labels, mixed[:size.breaks])
	return &week{
		text: m.write(labels, cells), lasts: time.Duration(size.pushes+30) * m.every,
		breaks: m.breaks,
	}
}

// mergeAll makes every twelfth push a merge of five inner pushes.
func (m *weekMaker) mergeAll() {
	inner := 1
	for p := 12; p <= m.pushes; p += 12 {
		m.merges[p] = [2]int{inner, inner + 4}
		inner += 5
	}
}

// ran says on which pushes a label runs. The first pushes run everything.
func (m *weekMaker) ran() []bool {
	out := make([]bool, m.pushes+1)
	for p := 1; p <= m.pushes; p++ {
		out[p] = p <= 3 || m.rng.Float64() < weekRate
	}
	return out
}

// draw makes the breaks, and the cells of each label.
func (m *weekMaker) draw(labels, broken []string) map[string][]string {
	cells := map[string][]string{}
	for i, l := range broken {
		ran := m.ran()
		b := weekBreak{label: l, sign: fmt.Sprintf("break-%d", i+1), after: 1}
		if i%5 == 4 { // one label in five fails now and then
			b.after = 0.3 + 0.4*m.rng.Float64()
		}
		m.place(&b, i, ran)
		cells[l] = m.column(ran, func(p int) string {
			if p >= b.from && p < b.until && m.rng.Float64() < b.after {
				return "fail:sig=" + b.sign
			}
			return "pass"
		})
		m.breaks = append(m.breaks, b)
	}
	for _, l := range labels {
		if cells[l] != nil {
			continue
		}
		rate := m.flakes[l]
		cells[l] = m.column(m.ran(), func(int) string {
			if m.rng.Float64() < rate {
				return "fail:sig=" + flakeOf(l)
			}
			return "pass"
		})
	}
	return cells
}

// flakeOf is the name of the test that fails in a flaky label.
func flakeOf(label string) string { return "flake-" + strings.ReplaceAll(label, "/", "-") }

func (m *weekMaker) column(ran []bool, cell func(p int) string) []string {
	out := make([]string, m.pushes+1)
	for p := 1; p <= m.pushes; p++ {
		out[p] = "-"
		if ran[p] {
			out[p] = cell(p)
		}
	}
	return out
}

// place chooses the push that breaks a label, and the push that backs it out.
func (m *weekMaker) place(b *weekBreak, i int, ran []bool) {
	for {
		b.from = 6 + m.rng.IntN(m.pushes-26)
		if i < m.weekSize.merges {
			b.from = 12 * (1 + m.rng.IntN((m.pushes-26)/12))
		}
		_, merge := m.merges[b.from]
		if merge != (i < m.weekSize.merges) || slices.ContainsFunc(m.breaks,
			func(o weekBreak) bool { return o.from == b.from }) {
			continue
		}
		shows := b.from
		for shows < m.pushes && !ran[shows] {
			shows++
		}
		b.until = shows + 8 + m.rng.IntN(8)
		if _, merge := m.merges[b.until]; b.until > m.pushes || merge || m.undoes[b.until] != 0 {
			continue
		}
		break
	}
	b.culprit, b.lasting = job.PushKey{Repo: weekOuter, ID: int64(b.from)}, b.after == 1
	if brought, merge := m.merges[b.from]; merge {
		b.inner = brought[0] + m.rng.IntN(5)
		b.culprit = job.PushKey{Repo: weekInner, ID: int64(b.inner)}
	}
	m.undoes[b.until] = b.from
}

// write writes the week in the form of a World.
func (m *weekMaker) write(labels []string, cells map[string][]string) string {
	var w strings.Builder
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(&w, format+"\n", args...) }
	say("seed %d", m.rng.IntN(1000)+1)
	say("every %s", m.every)
	last := 0
	for _, brought := range m.merges {
		last = max(last, brought[1])
	}
	say("repo %s", weekInner)
	for _, b := range m.breaks {
		if b.inner > 0 {
			say("truth %s culprit=%d before=0 after=%g sig=%s", b.label, b.inner, b.after, b.sign)
		}
	}
	say("push %s", strings.Join(labels, " "))
	for p := 1; p <= last; p++ {
		row := make([]string, len(labels))
		for i := range row {
			row[i] = "-"
		}
		say("%d b%03x %s", p, p, strings.Join(row, " "))
	}
	say("repo %s", weekOuter)
	for _, l := range labels {
		if rate := m.flakes[l]; rate > 0 {
			say("truth %s culprit=%d before=%g after=%g sig=%s flake=%s", l, m.pushes, rate, rate, flakeOf(l),
				flakeOf(l))
		}
	}
	for _, b := range m.breaks {
		say("truth %s culprit=%d before=0 after=%g until=%d sig=%s", b.label, b.from, b.after, b.until, b.sign)
	}
	say("push %s", strings.Join(labels, " "))
	for p := 1; p <= m.pushes; p++ {
		row := make([]string, len(labels))
		for i, l := range labels {
			row[i] = cells[l][p]
		}
		more := ""
		if brought, ok := m.merges[p]; ok {
			more += fmt.Sprintf(" merge=%s:%d..%d", weekInner, brought[0], brought[1])
		}
		if undone := m.undoes[p]; undone > 0 {
			more += fmt.Sprintf(" undoes=%d", undone)
		}
		say("%d a%03x %s%s", p, p, strings.Join(row, " "), more)
	}
	return w.String()
}
