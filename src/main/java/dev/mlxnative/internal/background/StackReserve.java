package dev.mlxnative.internal.background;

/**
 * Makes sure that the stack has room for a whole operation, before the operation changes anything. A
 * {@link StackOverflowError} then comes from here, and never out of the middle of a change or out of an unlock.
 *
 * <p>The room is the frame that the interpreter needs for a method with 1,024 slots of local variables, 8 KiB: four
 * times what the deepest operation of a pool takes when all of it is interpreted. A compiler leaves the variables out.
 * It still checks that the stack has room for the interpreter's frame, because the compiled code may have to go on in
 * the interpreter: at the branch that is never taken. That costs a store for each page of the stack.
 */
public final class StackReserve {
    /** Not final: a compiler must not know that it stays false. */
    private static boolean neverTrue;

    private StackReserve() {}

    /**
     * Checks that the stack has room.
     *
     * @throws StackOverflowError if it has not; nothing has happened then
     */
    public static void require() {
        // Two methods, because the variables of the inner one count as the frame of the outer one.
        occupy();
    }

    @SuppressWarnings({"unused", "MultiVariableDeclaration"})
    private static void occupy() {
        // spotless:off
        long a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, aa, ab, ac, ad, ae, af, ag, ah, ai, aj, ak, al, am, an, b0, b1,
                b2, b3, b4, b5, b6, b7, b8, b9, ba, bb, bc, bd, be, bf, bg, bh, bi, bj, bk, bl, bm, bn, c0, c1, c2,
                c3, c4, c5, c6, c7, c8, c9, ca, cb, cc, cd, ce, cf, cg, ch, ci, cj, ck, cl, cm, cn, d0, d1, d2, d3,
                d4, d5, d6, d7, d8, d9, da, db, dc, dd, de, df, dg, dh, di, dj, dk, dl, dm, dn, e0, e1, e2, e3, e4,
                e5, e6, e7, e8, e9, ea, eb, ec, ed, ee, ef, eg, eh, ei, ej, ek, el, em, en, f0, f1, f2, f3, f4, f5,
                f6, f7, f8, f9, fa, fb, fc, fd, fe, ff, fg, fh, fi, fj, fk, fl, fm, fn, g0, g1, g2, g3, g4, g5, g6,
                g7, g8, g9, ga, gb, gc, gd, ge, gf, gg, gh, gi, gj, gk, gl, gm, gn, h0, h1, h2, h3, h4, h5, h6, h7,
                h8, h9, ha, hb, hc, hd, he, hf, hg, hh, hi, hj, hk, hl, hm, hn, i0, i1, i2, i3, i4, i5, i6, i7, i8,
                i9, ia, ib, ic, id, ie, ig, ih, ii, ij, ik, il, im, in, j0, j1, j2, j3, j4, j5, j6, j7, j8, j9, ja,
                jb, jc, jd, je, jf, jg, jh, ji, jj, jk, jl, jm, jn, k0, k1, k2, k3, k4, k5, k6, k7, k8, k9, ka, kb,
                kc, kd, ke, kf, kg, kh, ki, kj, kk, kl, km, kn, l0, l1, l2, l3, l4, l5, l6, l7, l8, l9, la, lb, lc,
                ld, le, lf, lg, lh, li, lj, lk, ll, lm, ln, m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, ma, mb, mc, md,
                me, mf, mg, mh, mi, mj, mk, ml, mm, mn, n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, na, nb, nc, nd, ne,
                nf, ng, nh, ni, nj, nk, nl, nm, nn, o0, o1, o2, o3, o4, o5, o6, o7, o8, o9, oa, ob, oc, od, oe, of,
                og, oh, oi, oj, ok, ol, om, on, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, pa, pb, pc, pd, pe, pf, pg,
                ph, pi, pj, pk, pl, pm, pn, q0, q1, q2, q3, q4, q5, q6, q7, q8, q9, qa, qb, qc, qd, qe, qf, qg, qh,
                qi, qj, qk, ql, qm, qn, r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, ra, rb, rc, rd, re, rf, rg, rh, ri,
                rj, rk, rl, rm, rn, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, sa, sb, sc, sd, se, sf, sg, sh, si, sj,
                sk, sl, sm, sn, t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, ta, tb, tc, td, te, tf, tg, th, ti, tj, tk,
                tl, tm, tn, u0, u1, u2, u3, u4, u5, u6, u7, u8, u9, ua, ub, uc, ud, ue, uf, ug, uh, ui, uj, uk, ul,
                um, un, v0, v1, v2, v3, v4, v5, v6, v7, v8;
        // spotless:on
        if (neverTrue) {
            throw new AssertionError();
        }
    }
}
