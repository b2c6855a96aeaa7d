package dev.mlxnative.bench.soak;

import com.github.freva.asciitable.AsciiTable;
import com.github.freva.asciitable.Column;
import com.github.freva.asciitable.HorizontalAlign;
import dev.mlxnative.bench.cli.Cells;
import java.util.List;

/** The table of a result, with units and rounded numbers. The JSON has the exact numbers. */
final class SoakTable {

    private record Row(String what, String value, String bound) {}

    private SoakTable() {}

    static String of(SoakResult result) {
        return AsciiTable.getTable(
                AsciiTable.BASIC_ASCII_NO_DATA_SEPARATORS,
                rows(result),
                List.of(
                        new Column().header("").dataAlign(HorizontalAlign.LEFT).with(Row::what),
                        Cells.number("value", Row::value),
                        Cells.number("allowed", Row::bound)));
    }

    private static List<Row> rows(SoakResult result) {
        return List.of(
                row("operations", result.operations()),
                new Row("seconds", Cells.format("%,.1f", result.seconds()), ""),
                new Row("operations per second", Cells.format("%,.0f", result.operationsPerSecond()), ""),
                row("requests", result.requests()),
                new Row("hit rate", Cells.ratio("%.2f %%", 100.0 * result.hits(), result.requests()), ""),
                row("native allocations", result.nativeAllocations()),
                row("refused by the memory limit", result.refusedByMemoryLimit()),
                row("refused by the buffer limit", result.refusedByBufferLimit()),
                row("refused by the device", result.refusedByDevice()),
                row("faults of the device", result.deviceFaults()),
                some("stack overflows met", result.stackOverflows(), result),
                some("heap errors met", result.heapErrors(), result),
                row("releases with a fence", result.fencedReleases()),
                row("releases in flight", result.inFlightReleases()),
                row("command buffers", result.commandBuffers()),
                row("failed command buffers", result.failedCommandBuffers()),
                row("dispatches", result.dispatches()),
                row("leases of scratch memory", result.scratchLeases()),
                row("scopes", result.scopes()),
                row("resets", result.resets()),
                row("samples", result.samples()),
                none("overlaps", result.overlaps()),
                none("violations", result.violations()),
                new Row(
                        "peak footprint",
                        Cells.mebibytes(result.peakFootprintBytes()),
                        Cells.mebibytes(result.memoryLimitBytes())),
                new Row("peak buffers", Cells.count(result.peakBuffers()), Cells.count(result.bufferLimit())),
                new Row(
                        "peak on the device",
                        Cells.mebibytes(result.peakDeviceBytes()),
                        Cells.mebibytes(result.deviceLimitBytes())),
                none("bytes of the memory limit lost", result.lostBudgetBytes()),
                none("buffers of the buffer limit lost", result.lostBudgetBuffers()),
                none("bytes lost", result.lostBytes()),
                none("native objects left", result.liveObjects()),
                none("errors", result.errors()),
                growth("heap", result.heapEarlyBytes(), result.heapEndBytes(), result),
                growth("process", result.residentEarlyBytes(), result.residentEndBytes(), result));
    }

    private static Row row(String what, long value) {
        return new Row(what, Cells.count(value), "");
    }

    private static Row none(String what, long value) {
        return new Row(what, Cells.count(value), "0");
    }

    private static Row some(String what, long value, SoakResult result) {
        return new Row(what, Cells.count(value), result.mustMeetVmErrors() ? "1 or more" : "");
    }

    private static Row growth(String what, long early, long end, SoakResult result) {
        return new Row(
                what + ", early and at the end",
                Cells.mebibytes(early) + ", " + Cells.mebibytes(end),
                "+" + Cells.mebibytes(result.growthLimitBytes()));
    }
}
