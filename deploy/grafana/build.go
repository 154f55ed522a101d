package grafana

//lint:file-ignore SA1019 The newer schema is one that Grafana before 12 does not import.

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// source is the data source that the variable of this name chooses.
func source() common.DataSourceRef {
	return common.DataSourceRef{Type: cog.ToPtr("prometheus"), Uid: cog.ToPtr("${datasource}")}
}

func (d Dashboard) build() (dashboard.Dashboard, error) {
	b := dashboard.NewDashboardBuilder(d.Title).Uid(d.UID).Description(d.Description).
		Tags([]string{"meter"}).Editable().Refresh("30s").Time("now-3h", "now").Timezone(common.TimeZoneBrowser).
		Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Link(dashboard.NewDashboardLinkBuilder("meter").Type(dashboard.DashboardLinkTypeDashboards).
			Tags([]string{"meter"}).IncludeVars(true).KeepTime(true)).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus"))
	for _, v := range d.Variables {
		b.WithVariable(v.build())
	}
	for _, r := range d.Rows {
		b.WithRow(dashboard.NewRowBuilder(r.Title))
		for _, p := range r.Panels {
			b.WithPanel(p.build())
		}
	}
	built, err := b.Build()
	for i, p := range built.Panels {
		id := cog.ToPtr(uint32(i + 1))
		if p.Panel != nil {
			p.Panel.Id = id
		} else {
			p.RowPanel.Id = *id
		}
	}
	return built, err
}

func (v Variable) build() cog.Builder[dashboard.VariableModel] {
	b := dashboard.NewQueryVariableBuilder(v.Name).Label(v.Label).Datasource(source()).
		Query(dashboard.StringOrMap{String: cog.ToPtr("label_values(" + v.Of + ", " + v.Name + ")")}).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc)
	if v.One {
		return b
	}
	all := dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}}
	return b.Multi(true).IncludeAll(true).Current(dashboard.VariableOption{
		Selected: cog.ToPtr(true), Text: dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}}, Value: all,
	})
}

// height is that of all panels but the single values, in Grafana's units.
const height = 8

func (p Panel) build() cog.Builder[dashboard.Panel] {
	switch p.Kind {
	case Stat:
		return p.stat()
	case State:
		return p.state()
	default:
		return p.graph()
	}
}

func (p Panel) width() uint32 {
	if p.Width == 0 {
		return 12
	}
	return p.Width
}

func (p Panel) graph() cog.Builder[dashboard.Panel] {
	b := timeseries.NewPanelBuilder().Title(p.Title).Description(p.Help).Datasource(source()).
		Unit(p.Unit).Span(p.width()).Height(height).LineWidth(1).FillOpacity(10).ShowPoints(common.VisibilityModeNever).
		Legend(common.NewVizLegendOptionsBuilder().DisplayMode(common.LegendDisplayModeTable).Placement(common.LegendPlacementBottom).
			ShowLegend(true).Calcs([]string{"mean", "max", "lastNotNull"})).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
	if p.Kind == Stack {
		b.FillOpacity(50).Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal).Group("A"))
	}
	if p.BadAbove != nil {
		b.Thresholds(p.thresholds()).ThresholdsStyle(common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeLine))
	}
	return b.Targets(p.targets())
}

func (p Panel) stat() cog.Builder[dashboard.Panel] {
	return stat.NewPanelBuilder().Title(p.Title).Description(p.Help).Datasource(source()).
		Unit(p.Unit).Span(p.width()).Height(height / 2).Mappings(p.mappings()).Thresholds(p.thresholds()).
		GraphMode(common.BigValueGraphModeArea).ColorMode(common.BigValueColorModeValue).TextMode(common.BigValueTextModeAuto).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
		Targets(p.targets())
}

func (p Panel) state() cog.Builder[dashboard.Panel] {
	return statetimeline.NewPanelBuilder().Title(p.Title).Description(p.Help).Datasource(source()).
		Span(p.width()).Height(height).Mappings(p.mappings()).Thresholds(p.thresholds()).
		MergeValues(true).ShowValue(common.VisibilityModeAuto).RowHeight(0.9).
		Targets(p.targets())
}

func (p Panel) targets() []cog.Builder[variants.Dataquery] {
	var all []cog.Builder[variants.Dataquery]
	for i, q := range p.Queries {
		all = append(all, prometheus.NewDataqueryBuilder().Datasource(source()).Expr(q.Expr).LegendFormat(q.Legend).
			RefId(string(rune('A'+i))).EditorMode(prometheus.QueryEditorModeCode).Range())
	}
	return all
}

func (p Panel) mappings() []dashboard.ValueMapping {
	if p.Texts == nil {
		return nil
	}
	options := map[string]dashboard.ValueMappingResult{}
	for i, t := range p.Texts {
		options[t.Value] = dashboard.ValueMappingResult{Text: cog.ToPtr(t.Text), Color: cog.ToPtr(t.Color), Index: cog.ToPtr(int32(i))}
	}
	return []dashboard.ValueMapping{{ValueMap: &dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: options}}}
}

// thresholds are green, and red above what is bad.
func (p Panel) thresholds() cog.Builder[dashboard.ThresholdsConfig] {
	steps := []dashboard.Threshold{{Value: nil, Color: "green"}}
	if p.BadAbove != nil {
		steps = append(steps, dashboard.Threshold{Value: p.BadAbove, Color: "red"})
	}
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(steps)
}
