package dev.mlxnative.bench.replay;

/** Measures how long the program of a trace ran, by the times of its events. */
final class TraceClock {

    private static final double DAY_MICROS = 86_400e6;

    private double earlierProcesses;
    private double earliest = Double.POSITIVE_INFINITY;
    private double latest = Double.NEGATIVE_INFINITY;
    private int midnights;

    /**
     * An event happens. Events of several threads may be a little out of order.
     *
     * @param micros the time in microseconds, from any origin; a time of day starts again at midnight. Not finite if
     *     the event has none.
     */
    void at(double micros) {
        if (!Double.isFinite(micros)) {
            return;
        }
        double time = micros + midnights * DAY_MICROS;
        if (time < latest - DAY_MICROS / 2) {
            midnights++;
            time += DAY_MICROS;
        }
        earliest = Math.min(earliest, time);
        latest = Math.max(latest, time);
    }

    /** Another process follows, whose times have an origin of their own. */
    void startAgain() {
        earlierProcesses = micros();
        earliest = Double.POSITIVE_INFINITY;
        latest = Double.NEGATIVE_INFINITY;
        midnights = 0;
    }

    /** The time from the first event to the last, of all processes together; 0 without times. */
    long micros() {
        return Math.round(earlierProcesses + Math.max(0, latest - earliest));
    }
}
