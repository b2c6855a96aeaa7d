package dev.mlxnative.examples.embed;

import com.github.freva.asciitable.AsciiTable;
import com.github.freva.asciitable.Column;
import com.github.freva.asciitable.HorizontalAlign;
import dev.mlxnative.PoolStats;
import dev.mlxnative.bench.cli.Cells;
import java.util.List;
import java.util.Locale;

/** The table of the figures of a run, with units and rounded numbers. */
final class FigureTable {

    private record Row(String what, String value) {}

    private FigureTable() {}

    static String of(Figures figures) {
        return AsciiTable.getTable(
                AsciiTable.BASIC_ASCII_NO_DATA_SEPARATORS,
                rows(figures),
                List.of(
                        new Column().header("").dataAlign(HorizontalAlign.LEFT).with(Row::what),
                        Cells.number(figures.device(), Row::value)));
    }

    private static List<Row> rows(Figures figures) {
        PoolStats first = figures.afterFirstBatch();
        PoolStats last = figures.afterLastBatch();
        return List.of(
                new Row("precision", figures.precision().name().toLowerCase(Locale.ROOT)),
                count("sentences", figures.sentences()),
                count("batches", figures.batches()),
                count("tokens", figures.tokens()),
                new Row("tokens of a sentence", Cells.ratio("%,.1f", figures.tokens(), figures.sentences())),
                millis("time of a sentence", figures.nanos(), figures.sentences()),
                millis("GPU time of a sentence", figures.gpuNanos(), figures.sentences()),
                new Row("time to load the model", Cells.format("%,.1f s", figures.loadNanos() / 1e9)),
                bytes("weights", figures.weightBytes()),
                count("requests of memory", last.requests()),
                count("hits", last.hits()),
                new Row(
                        "hit rate after the first batch",
                        Cells.ratio(
                                "%.2f %%", 100.0 * (last.hits() - first.hits()), last.requests() - first.requests())),
                count("native allocations", last.nativeAllocations()),
                bytes("peak live", last.peakActiveBytes()),
                bytes("peak footprint", last.peakFootprintBytes()),
                bytes("parked after a submit", figures.parkedBytes()),
                bytes("peak scratch of a batch", figures.scratchBytes()));
    }

    private static Row count(String what, long value) {
        return new Row(what, Cells.count(value));
    }

    private static Row millis(String what, long nanos, int count) {
        return new Row(what, Cells.ratio("%,.1f ms", nanos / 1e6, count));
    }

    private static Row bytes(String what, long bytes) {
        return new Row(what, Cells.mebibytes(bytes));
    }
}
