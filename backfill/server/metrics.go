package server

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/trigger"
)

// meter counts what a Server does. It has a registry of its own, so that several Servers in one
// process do not collide. begun, over and refusals count backfills, begun with dry runs. asked and
// red count runs that backfills triggered, failed counts requests. lasted and requests are in
// seconds.
type meter struct {
	registry *prometheus.Registry
	begun    *prometheus.CounterVec
	over     *prometheus.CounterVec
	refusals *prometheus.CounterVec
	asked    prometheus.Counter
	red      prometheus.Counter
	failed   prometheus.Counter
	lasted   prometheus.Histogram
	streams  prometheus.Gauge
	requests *prometheus.HistogramVec
}

func newMeter() *meter {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mozci_" + name, Help: help}, labels)
	}
	plain := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "mozci_" + name, Help: help})
	}
	m := &meter{
		registry: prometheus.NewRegistry(),
		begun:    counter("backfills_started_total", "Backfills and dry runs that were accepted.", "mode", "dry_run"),
		over:     counter("backfills_ended_total", "Backfills that ended, by state.", "state"),
		refusals: counter("backfills_refused_total", "Requests that were refused, by reason.", "reason"),
		asked:    plain("runs_triggered_total", "Runs that were triggered and accepted by a CI."),
		red:      plain("runs_red_total", "Triggered runs that failed; a person has to classify each."),
		failed:   plain("trigger_errors_total", "Requests to a CI that failed."),
		lasted: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "mozci_backfill_seconds", Help: "Time from the start of a backfill to its answer, in seconds.",
			// Bounds in seconds, from a minute to two days.
			Buckets: []float64{60, 600, 1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600, 16 * 3600, 24 * 3600, 48 * 3600},
		}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mozci_event_streams", Help: "Clients that follow a backfill now.",
		}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "mozci_http_request_seconds", Help: "Time to answer a request in seconds, without streams.",
			Buckets: []float64{.001, .005, .02, .1, .5, 2, 10, 60},
		}, []string{"route", "status"}),
	}
	m.registry.MustRegister(m.begun, m.over, m.refusals, m.asked, m.red, m.failed, m.lasted, m.streams, m.requests,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// started counts a backfill that was accepted, also a dry run.
func (m *meter) started(b Backfill) {
	dry := "false"
	if b.DryRun {
		dry = "true"
	}
	m.begun.WithLabelValues(string(b.Ask.Mode), dry).Inc()
}

func (m *meter) refused(r Reason) { m.refusals.WithLabelValues(string(r)).Inc() }

// ended counts a backfill that has ended, whatever its state, with its failed runs.
func (m *meter) ended(b Backfill) {
	m.over.WithLabelValues(string(b.State)).Inc()
	m.red.Add(float64(b.Cost.Red))
	m.lasted.Observe(b.Updated.Sub(b.Created).Seconds())
}

// step counts a request to a CI: its runs or, when it failed, the request. What had been triggered
// before triggers nothing now.
func (m *meter) step(st trigger.Step) {
	switch {
	case st.Err != nil:
		m.failed.Inc()
	case st.Receipt != nil && st.Receipt.State != job.ReceiptAlreadyAsked:
		m.asked.Add(float64(st.Count))
	}
}

func (m *meter) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}
