package dev.mlxnative.bench.replay;

import com.github.freva.asciitable.AsciiTable;
import com.github.freva.asciitable.Column;
import com.github.freva.asciitable.ColumnData;
import com.github.freva.asciitable.HorizontalAlign;
import dev.mlxnative.bench.cli.Cells;
import java.util.List;

/** The table of results, with units and rounded numbers. The JSON has the exact numbers. */
final class ResultTable {

    private static final List<ColumnData<ReplayResult>> COLUMNS = List.of(
            new Column().header("trace").dataAlign(HorizontalAlign.LEFT).with(ReplayResult::trace),
            new Column().header("policy").dataAlign(HorizontalAlign.LEFT).with(ReplayResult::policy),
            Cells.number("requests", result -> Cells.count(result.requests())),
            Cells.number("native", result -> Cells.count(result.nativeAllocations())),
            Cells.number("hit rate", result -> Cells.ratio("%.2f %%", 100.0 * result.hits(), result.requests())),
            Cells.number(
                    "native time",
                    result -> Cells.ratio("%.3f %%", 100.0 * result.nativeMicros(), result.durationMicros())),
            Cells.number("peak live", result -> Cells.mebibytes(result.peakLiveBytes())),
            Cells.number("peak footprint", result -> Cells.mebibytes(result.peakFootprintBytes())),
            Cells.number(
                    "footprint/live",
                    result -> Cells.ratio("%.2f", result.peakFootprintBytes(), result.peakLiveBytes())),
            Cells.number("offline/live", result -> Cells.ratio("%.2f", result.offlineBytes(), result.peakLiveBytes())),
            Cells.number("ns straight", result -> Cells.format("%,.1f", result.directNanosPerRequest())),
            Cells.number("ns pooled", result -> Cells.format("%,.1f", result.pooledNanosPerRequest())),
            Cells.number(
                    "ratio",
                    result -> Cells.ratio("%.1fx", result.directNanosPerRequest(), result.pooledNanosPerRequest())));

    private ResultTable() {}

    static String of(List<ReplayResult> results) {
        return AsciiTable.getTable(AsciiTable.BASIC_ASCII_NO_DATA_SEPARATORS, results, COLUMNS);
    }
}
