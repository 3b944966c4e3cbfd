package main

import (
	"bytes"
	"fmt"
	"image/color"
	"os"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/mozci/mozci/backfill"
	"github.com/mozci/mozci/job"
)

// drawSearch draws the share of failures by push, the larger the more runs, and the
// probabilities as bars.
func drawSearch(r backfill.SearchResult) ([]byte, error) {
	p := plot.New()
	p.Title.Text = job.Visible(r.Label) // an SVG may not hold control characters
	p.X.Label.Text = "push"
	p.Y.Label.Text = "share of failures (points), probability (bars)"
	p.Y.Min, p.Y.Max = -0.05, 1.05
	var bars plotter.Values
	var points plotter.XYs
	var sizes []vg.Length
	ticks := plot.ConstantTicks{}
	every := max(1, len(r.Pushes)/12)
	for x, t := range r.Pushes {
		bars = append(bars, t.Probability)
		if n := t.Failed + t.Passed; n > 0 {
			points = append(points, plotter.XY{X: float64(x), Y: float64(t.Failed) / float64(n)})
			sizes = append(sizes, vg.Points(float64(2+min(n, 10)/2)))
		}
		if x%every == 0 {
			ticks = append(ticks, plot.Tick{Value: float64(x), Label: strconv.FormatInt(t.Push.ID, 10)})
		}
	}
	p.X.Tick.Marker = ticks
	chart, err := plotter.NewBarChart(bars, vg.Points(max(1, 500/float64(len(bars)+1))))
	if err != nil {
		return nil, err
	}
	chart.Color, chart.LineStyle.Width = color.RGBA{R: 200, G: 210, B: 240, A: 255}, 0
	p.Add(chart, plotter.NewGrid())
	if len(points) > 0 {
		s, err := plotter.NewScatter(points)
		if err != nil {
			return nil, err
		}
		s.GlyphStyleFunc = func(i int) draw.GlyphStyle {
			c := color.RGBA{G: 120, A: 255}
			if points[i].Y > 0 {
				c = color.RGBA{R: 190, A: 255}
			}
			return draw.GlyphStyle{Color: c, Radius: sizes[i], Shape: draw.CircleGlyph{}}
		}
		p.Add(s)
	}
	w, err := p.WriterTo(vg.Points(480), vg.Points(270), "svg")
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	_, err = w.WriteTo(&out)
	return out.Bytes(), err
}

func plotTo(file string, r backfill.SearchResult) error {
	svg, err := drawSearch(r)
	if err != nil {
		return fmt.Errorf("--plot: %w", err)
	}
	if err := os.WriteFile(file, svg, 0o600); err != nil { // #nosec G703 -- the user names it
		return fmt.Errorf("--plot: %w", err)
	}
	return nil
}
