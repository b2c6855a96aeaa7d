package dev.mlxnative.bench.replay;

import com.github.freva.asciitable.AsciiTable;
import com.github.freva.asciitable.Column;
import com.github.freva.asciitable.HorizontalAlign;
import dev.mlxnative.bench.cli.Cells;
import java.util.List;
import java.util.function.ToDoubleFunction;

/**
 * The figures of a policy over all traces. Traces without requests, and in the figures of time those without times, do
 * not count.
 *
 * @param policy the label of the {@link Policy}
 * @param footprint peak footprint divided by peak live
 * @param offline the offline planner's arena divided by peak live
 * @param nativeShare the share of the requests for which the pool allocated on the device, in percent
 * @param nativeTime the time of the native allocations as a share of the trace's duration, in percent
 */
record PolicySummary(String policy, Spread footprint, Spread offline, Spread nativeShare, Spread nativeTime) {

    /** The median and the maximum over some traces; both are not a number if there are none. */
    record Spread(double median, double worst) {

        static Spread of(List<ReplayResult> results, ToDoubleFunction<ReplayResult> figure) {
            double[] sorted = results.stream()
                    .mapToDouble(figure)
                    .filter(Double::isFinite)
                    .sorted()
                    .toArray();
            int count = sorted.length;
            return count == 0
                    ? new Spread(Double.NaN, Double.NaN)
                    : new Spread((sorted[(count - 1) / 2] + sorted[count / 2]) / 2, sorted[count - 1]);
        }

        private String cell(String pattern) {
            return Double.isNaN(median) ? "-" : Cells.format(pattern, median) + " / " + Cells.format(pattern, worst);
        }
    }

    /** Sums up the results of each policy, in the order of their first results. */
    static List<PolicySummary> of(List<ReplayResult> results) {
        return results.stream()
                .map(ReplayResult::policy)
                .distinct()
                .map(policy -> of(
                        policy,
                        results.stream()
                                .filter(result -> result.policy().equals(policy))
                                .toList()))
                .toList();
    }

    private static PolicySummary of(String policy, List<ReplayResult> results) {
        return new PolicySummary(
                policy,
                Spread.of(results, result -> (double) result.peakFootprintBytes() / result.peakLiveBytes()),
                Spread.of(results, result -> (double) result.offlineBytes() / result.peakLiveBytes()),
                Spread.of(results, result -> 100.0 * result.nativeAllocations() / result.requests()),
                Spread.of(results, result -> 100.0 * result.nativeMicros() / result.durationMicros()));
    }

    /** A table of medians and maxima, such as {@code 1.06 / 1.15}. */
    static String table(List<PolicySummary> summaries) {
        return AsciiTable.getTable(
                AsciiTable.BASIC_ASCII_NO_DATA_SEPARATORS,
                summaries,
                List.of(
                        new Column()
                                .header("median / worst")
                                .dataAlign(HorizontalAlign.LEFT)
                                .with(PolicySummary::policy),
                        Cells.number(
                                "footprint/live", summary -> summary.footprint().cell("%.2f")),
                        Cells.number(
                                "offline/live", summary -> summary.offline().cell("%.2f")),
                        Cells.number("native", summary -> summary.nativeShare().cell("%.2f %%")),
                        Cells.number(
                                "native time", summary -> summary.nativeTime().cell("%.3f %%"))));
    }
}
