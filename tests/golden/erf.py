"""The error function and the exponential of the crate libm 0.2, which are FreeBSD's, operation by operation.

The platform's error function differs from it in the last bit of one value in twenty, and the weights of a Hoeffding
tree's leaves, which come from it, decide by their last bits whether a search for a split falls due a label later. With
this one River's trees have the same weights.
"""

import struct

PP = [
    0.12837916709551256, -0.3250421072470015, -0.02848174957559851, -0.005770270296489442, -2.3763016656650163e-05,
]
QQ = [
    1.0, 0.39791722395915535, 0.0650222499887673, 0.005081306281875766, 0.00013249473800432164,
    -3.960228278775368e-06,
]
PA = [
    -0.0023621185607526594, 0.41485611868374833, -0.3722078760357013, 0.31834661990116175, -0.11089469428239668,
    0.035478304325618236, -0.002166375594868791,
]
QA = [
    1.0, 0.10642088040084423, 0.540397917702171, 0.07182865441419627, 0.12617121980876164, 0.01363708391202905,
    0.011984499846799107,
]
RA = [
    -0.009864944034847148, -0.6938585727071818, -10.558626225323291, -62.375332450326006, -162.39666946257347,
    -184.60509290671104, -81.2874355063066, -9.814329344169145,
]
SA = [
    1.0, 19.651271667439257, 137.65775414351904, 434.56587747522923, 645.3872717332679, 429.00814002756783,
    108.63500554177944, 6.570249770319282, -0.0604244152148581,
]
RB = [
    -0.0098649429247001, -0.799283237680523, -17.757954917754752, -160.63638485582192, -637.5664433683896,
    -1025.0951316110772, -483.5191916086514,
]
SB = [
    1.0, 30.33806074348246, 325.7925129965739, 1536.729586084437, 3199.8582195085955, 2553.0504064331644,
    474.52854120695537, -22.44095244658582,
]
ERX = 0.8450629115104675
EFX8 = 1.0270333367641007
P = [1.66666666666666019037e-01, -2.77777777770155933842e-03, 6.61375632143793436117e-05, -1.65339022054652515390e-06,
     4.13813679705723846039e-08]
LN2HI, LN2LO, INVLN2 = 6.93147180369123816490e-01, 1.90821492927058770002e-10, 1.44269504088896338700e00


def polynomial(of, x):
    value = of[-1]
    for factor in reversed(of[:-1]):
        value = factor + x * value
    return value


def high(x):
    """The upper half of the bits, without the sign."""
    return struct.unpack("<Q", struct.pack("<d", x))[0] >> 32 & 0x7FFFFFFF


def exp(x):
    """Of numbers between -700 and 700."""
    if high(x) > 0x3FD62E42:
        if high(x) >= 0x3FF0A2B2:
            k = int(INVLN2 * x + (-0.5 if x < 0 else 0.5))
        else:
            k = -1 if x < 0 else 1
        above, below = x - k * LN2HI, k * LN2LO
        x = above - below
    elif high(x) > 0x3E300000:
        k, above, below = 0, x, 0.0
    else:
        return 1.0 + x
    square = x * x
    c = x - square * polynomial(P, square)
    return (1.0 + (x * c / (2.0 - c) - below + above)) * 2.0**k


def erf(x):
    size, top = abs(x), high(x)
    if top < 0x3FEB0000:
        if top < 0x3E300000:
            return 0.125 * (8.0 * x + EFX8 * x)
        z = x * x
        return x + x * (polynomial(PP, z) / polynomial(QQ, z))
    if top >= 0x40180000:
        rest = 2.0**-1022
    elif top < 0x3FF40000:
        s = size - 1.0
        rest = 1.0 - ERX - polynomial(PA, s) / polynomial(QA, s)
    else:
        s = 1.0 / (size * size)
        near = top < 0x4006DB6D
        ratio = polynomial(RA if near else RB, s) / polynomial(SA if near else SB, s)
        z = struct.unpack("<d", struct.pack("<Q", struct.unpack("<Q", struct.pack("<d", size))[0] >> 32 << 32))[0]
        rest = exp(-z * z - 0.5625) * exp((z - size) * (z + size) + ratio) / size
    return 1.0 - rest if x >= 0 else rest - 1.0
