/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * hobbled, its guard and two subjects: whoever dies or hangs, nothing stays frozen. fence.md is the protocol in prose;
 * `run` checks this file, and that each mutant below breaks it.
 *
 * Abstractions:
 *   time      None. hobbled may be stopped, slow or killed between any two steps. The guard may find a beat too old at
 *             any look, and does where there was none since its look before. Every run of the real clocks is one of these.
 *   word      Its time is the bit `seen`: no beat since the guard last loaded the word. So a compare-and-swap of the
 *             loaded word succeeds exactly while `seen` holds, as with 62 bits of time, which never repeat.
 *   subjects  S is a subtree (or nested): a directory of hobbled's own; P is in place. One member stands for all of S.
 *   lives     When a hobbled has died, another may start, with the same instance name, once it gets the lock.
 *   faults    hobbled: stopped, continued, killed, declared hung while it is not; an administrator retires the word. The
 *             guard: killed, but not while hobbled is dead or stopped, nor is hobbled then hurt before it has thawed.
 *             With -DDOUBLE both, at any time.
 *
 * Mutants are -D names; grep for ifdef. */

#if defined(NO_LOCK)
#define NG 2 /* guards that can run at a time */
#else
#define NG 1
#endif

mtype = { NONE, ALIVE, FENCED, RETIRED };       /* the word's state */
mtype = { ARM, DISARM, REGISTER, READY };       /* messages */
mtype = { OFF, ON, KILLED, GONE };              /* a guard: not started or ended by itself, running, killed, and its slot free */
mtype = { LOOK, FULL, LAST };                   /* why the guard rescues: fenced; REGISTER after that; end of file */

/* A guard, its socket, and the word, which goes with hobbled from guard to guard. */
mtype word[NG] = NONE;
bool seen[NG];
mtype guard[NG] = OFF;
bool armed[NG];         /* the guard looks at the word */
bool busy[NG];          /* it is not in poll() */
bool eof[NG];           /* hobbled's end is closed */
chan to_guard[NG] = [2] of { mtype };
chan to_hobbled[NG] = [1] of { mtype };

/* The kernel's side of the subjects. */
bool dir, origin, inside, frozen_dir;
bool mark, frozen_place;

/* hobbled. */
byte g;                         /* its guard */
bool dead, stopped;
bool has_dir, has_place;        /* it holds a descriptor */
bool froze_dir, froze_place;    /* what it believes */
bool said_arm, ready;
bool fresh = true;              /* this life has no word yet */

/* Seen by the properties alone. */
bool early;     /* it froze without READY */
bool late;      /* it froze when fenced, and has not thawed since */
bool thawed;    /* it has lost its guard or was fenced, has thawed all, and has not had READY since */
#ifdef REACH
mtype last; /* the last of the happenings below */
#define WAS(what) last = what
mtype = { STALE, ENODEV, AGAIN, GUARD, LIFE, BEAT };
#else
#define WAS(what) skip
#endif

#define FROZEN  ((frozen_dir && inside) || frozen_place)
#define CLEAN   (!FROZEN && !inside && !dir && !mark)
#define RESTS   (guard[g] == OFF || (guard[g] == ON && !busy[g] && !armed[g] && !eof[g] && len(to_guard[g]) == 0))
#define LOST    (guard[g] == KILLED || guard[g] == GONE)
#define FREE(i) (guard[i] == OFF || guard[i] == GONE)
#define WELL    (!dead && !stopped)
#define FIT     (word[g] == ALIVE)

/* A step of hobbled: atomic, and only while it runs. */
#define STEP(s) d_step { !stopped -> s }

inline thaw_dir() { frozen_dir = 0 }
inline thaw_place() { frozen_place = 0; late = 0 }

inline die()
{
        /* Descriptors close. */
        dead = 1; stopped = 0; eof[g] = 1;
        has_dir = 0; has_place = 0; froze_dir = 0; froze_place = 0; said_arm = 0; ready = 0; thawed = 0; late = 0;
        fresh = 1
}

#define SEND(m) \
        if \
        :: atomic { !stopped && guard[g] == ON && nfull(to_guard[g]) -> to_guard[g]!m } \
        :: atomic { !stopped && guard[g] != ON -> goto lost } /* EPIPE */ \
        fi

/* Before the first directory or mark: beat, so that the first look finds nothing old; then ARM. */
#ifdef LATE_ARM
#define GET_ARMED skip
#define ARM_AFTER if :: !stopped && said_arm :: !stopped && !said_arm -> SEND(ARM); STEP(said_arm = 1) fi
#else
#define GET_ARMED if :: !stopped && said_arm :: !stopped && !said_arm -> SEND(ARM); STEP(said_arm = 1) fi
#define ARM_AFTER skip
#endif

#ifdef NO_SECOND_LOOK
#define LOOK_AGAIN skip
#else
#define LOOK_AGAIN if :: atomic { !stopped && FIT -> skip } :: atomic { !stopped && !FIT -> goto lost } fi
#endif

#ifdef DOUBLE
#define NOTHING_FROZEN 0
#else
#define NOTHING_FROZEN 1
#endif

active proctype Hobbled()
{
        byte had;
life:
        {
#ifndef NO_FIRST_RESCUE
        /* What an earlier life of this name left when its guard had failed too. */
        STEP(if :: dir -> frozen_dir = 0 :: else fi);
        STEP(inside = 0);
        STEP(dir = 0; origin = 0);
        STEP(frozen_place = 0);
        STEP(mark = 0);
#else
        skip;
#endif
start:
        /* Start a guard: new socket, REGISTER and what was said before into it, fork. */
        atomic {
                !stopped && (FREE(0) || FREE(NG - 1)) ->
                had = g;
                if :: FREE(0) -> g = 0 :: else -> g = NG - 1 fi;
                if :: fresh -> word[g] = NONE; seen[g] = 0; fresh = 0
                :: else -> word[g] = word[had]; seen[g] = seen[had]
                fi;
                do :: nempty(to_guard[g]) -> to_guard[g]?_ :: empty(to_guard[g]) -> break od;
                do :: nempty(to_hobbled[g]) -> to_hobbled[g]?_ :: empty(to_hobbled[g]) -> break od;
                guard[g] = ON; armed[g] = 0; busy[g] = 0; eof[g] = 0;
#ifdef EARLY
                word[g] = ALIVE;
#endif
#ifdef REGISTER_AFTER_FORK
        }
#else
                to_guard[g]!REGISTER;   /* before the fork */
#ifndef FORGET_ARM
                if :: said_arm -> to_guard[g]!ARM :: else fi
#endif
        }
        goto registered;
#endif
join:
        SEND(REGISTER);
#ifdef REGISTER_AFTER_FORK
        if :: !stopped && said_arm -> SEND(ARM) :: !stopped && !said_arm fi;
#endif
registered:
#ifdef EARLY
        skip;
#else
        if
        :: d_step { !stopped && nempty(to_hobbled[g]) -> to_hobbled[g]?READY; ready = 1; thawed = 0 }
        :: atomic { !stopped && guard[g] != ON -> goto lost }
        :: d_step { !stopped && guard[g] == ON && word[g] == RETIRED -> die() } /* LOOK instead of READY */
        fi;
#endif

main:
        do
        :: atomic { !stopped && guard[g] != ON -> goto lost };  /* the event loop: the socket is closed */
        :: atomic { !stopped && guard[g] == ON -> skip };       /* it is not; do one thing: */
        if
        :: d_step { !stopped && FIT -> seen[g] = 0 }            /* a beat */
        :: atomic { !stopped && !FIT -> goto lost }             /* a beat that fails */

        /* Admit S: mkdir, origin, attach. */
        :: d_step { !stopped && !has_dir && FIT -> seen[g] = 0 };
                GET_ARMED;
                STEP(dir = 1; has_dir = 1);
#ifdef ATTACH_FIRST
                STEP(if :: dir -> inside = 1 :: else fi);
#endif
                STEP(if :: dir -> origin = 1 :: else fi);
                STEP(if :: dir -> inside = 1 :: else -> has_dir = 0; WAS(ENODEV) fi);

        /* Attach more, frozen or not; it looks at the word before each batch. */
#ifdef BLIND_ATTACH
        :: atomic { !stopped && has_dir -> skip };
#else
        :: atomic { !stopped && has_dir && FIT -> skip };
#endif
                STEP(if :: dir -> inside = 1 :: else fi)

        /* Admit P. */
        :: d_step { !stopped && !has_place && FIT -> seen[g] = 0 };
                GET_ARMED;
#ifdef LATE_MARK
                STEP(has_place = 1);
#else
                STEP(mark = 1; has_place = 1);
#endif

        /* Freeze: look, write, look. */
        :: atomic { !stopped && has_dir && !froze_dir && FIT -> skip };
                STEP(if :: dir -> frozen_dir = 1 :: else -> WAS(STALE) fi; froze_dir = 1; early = early || !ready);
                ARM_AFTER;
                LOOK_AGAIN
        :: atomic { !stopped && has_place && !froze_place && FIT -> skip };
                STEP(frozen_place = 1; froze_place = 1; late = !FIT; early = early || !ready);
#ifdef LATE_MARK
                STEP(mark = 1);
#endif
                ARM_AFTER;
                LOOK_AGAIN

        /* Thaw. */
        :: d_step { !stopped && froze_dir -> thaw_dir(); froze_dir = 0 }
        :: d_step { !stopped && froze_place -> thaw_place(); froze_place = 0 }

        /* Release. */
#ifdef EARLY_DISARM
        :: atomic { !stopped && has_dir && !has_place && said_arm -> skip };
                SEND(DISARM); STEP(said_arm = 0);
                STEP(thaw_dir(); froze_dir = 0); STEP(inside = 0); STEP(dir = 0; origin = 0; has_dir = 0)
#else
        :: d_step { !stopped && has_dir -> thaw_dir(); froze_dir = 0 };
                STEP(if :: dir -> inside = 0 :: else fi);
                STEP(if :: dir && !inside -> dir = 0; origin = 0; frozen_dir = 0 :: else fi; has_dir = 0);
                if :: !stopped && (has_place || !said_arm) :: !stopped && !has_place && said_arm -> SEND(DISARM); STEP(said_arm = 0) fi
#endif
        :: d_step { !stopped && has_place -> thaw_place(); froze_place = 0 };
                STEP(mark = 0; has_place = 0);
                if :: !stopped && (has_dir || !said_arm) :: !stopped && !has_dir && said_arm -> SEND(DISARM); STEP(said_arm = 0) fi
        fi
        od;

        /* Fenced, or the guard is gone: thaw whatever there is a descriptor for; after a fence forget it; register (again). */
lost:
        atomic { !stopped -> ready = 0; if :: has_dir && dir -> thaw_dir() :: else fi; froze_dir = 0 };
        STEP(if :: has_place -> thaw_place() :: else fi; froze_place = 0);
        if
        :: !stopped && !FIT && word[g] != NONE ->
#ifndef KEEP_SUBJECTS
                STEP(has_dir = 0; has_place = 0);
#endif
#ifndef KEEP_ARMED
                STEP(said_arm = 0)
#else
                skip
#endif
        :: !stopped && (FIT || word[g] == NONE)
        fi;
        STEP(thawed = 1);
        if
        :: atomic { !stopped && guard[g] != ON -> WAS(GUARD); goto start }
        :: d_step { !stopped && guard[g] == ON && word[g] == RETIRED -> die() }
        :: atomic { !stopped && guard[g] == ON && word[g] != RETIRED -> WAS(AGAIN); goto join }
        fi;
        false

        } unless { dead };

        /* Another life, once the lock is free: the guard holds it too. */
        if
#ifdef NO_LOCK
        :: d_step { dead -> dead = 0; thawed = NOTHING_FROZEN; WAS(LIFE) }; goto life
#else
        :: d_step { dead && guard[g] != ON -> dead = 0; thawed = NOTHING_FROZEN; WAS(LIFE) }; goto life
#endif
        :: dead -> skip
        fi
}

#ifdef UNMARK_FENCED
#define UNMARKS true
#else
#define UNMARKS (why != LOOK)
#endif

#ifdef LOOK_FIRST
#define IDLE true
#else
#define IDLE (!eof[i] && len(to_guard[i]) == 0)
#endif

/* One pass over the tree. */
inline rescue_dir()
{
        if
        :: dir ->
                d_step { if :: dir -> thaw_dir() :: else fi };
                d_step { if :: dir && inside -> inside = 0 :: else fi };
                d_step { if :: dir && !inside -> dir = 0; origin = 0; frozen_dir = 0 :: else fi }
        :: !dir
        fi
}

inline rescue_place()
{
        if
        :: mark ->
#ifdef UNMARK_FIRST
                d_step { if :: UNMARKS -> mark = 0 :: else fi };
                frozen_place = 0
#else
                frozen_place = 0;
                d_step { if :: UNMARKS -> mark = 0 :: else fi }
#endif
        :: !mark
        fi
}

proctype Guard(byte i)
{
        mtype why;

off:
        guard[i] == ON;
        {
        why = LOOK;
poll:
        do
        :: d_step { to_guard[i]?ARM -> armed[i] = 1 }
        :: d_step { to_guard[i]?DISARM -> armed[i] = 0 }
        :: d_step { to_guard[i]?REGISTER -> armed[i] = 0; why = FULL; busy[i] = 1 };
                if :: word[i] == FENCED || word[i] == RETIRED -> goto rescue :: word[i] == NONE || word[i] == ALIVE -> goto rescued fi
        :: d_step { eof[i] && empty(to_guard[i]) -> armed[i] = 0; why = LAST; busy[i] = 1 }; goto rescue

        /* Nothing to read: a look. */
        :: d_step { armed[i] && IDLE -> busy[i] = 1; why = LOOK };
                if
                :: atomic { word[i] == FENCED || word[i] == RETIRED -> skip };
#ifdef NO_AGAIN
                        busy[i] = 0
#else
                        goto rescue
#endif
                :: d_step { word[i] == ALIVE && !seen[i] -> seen[i] = 1; busy[i] = 0 }  /* not old */
                :: d_step { word[i] == NONE -> busy[i] = 0 }
                :: d_step { word[i] == ALIVE -> seen[i] = 1 };                          /* old */
                        if
                        :: d_step { word[i] == ALIVE && seen[i] -> word[i] = FENCED }; goto rescue
                        :: d_step { !(word[i] == ALIVE && seen[i]) -> busy[i] = 0; WAS(BEAT) }
                        fi
                fi
        od;

rescue:
#ifdef NO_PASS
        if :: why == FULL -> goto rescued :: why != FULL fi;
#endif
        if
        :: rescue_dir(); rescue_place()
        :: rescue_place(); rescue_dir()
        fi;
rescued:
        if
        :: d_step { why == LOOK -> busy[i] = 0 }; goto poll
        :: d_step { why == FULL -> if :: word[i] != RETIRED -> word[i] = ALIVE :: else fi; seen[i] = 0 };
                d_step { if :: !eof[i] && len(to_hobbled[i]) == 0 && word[i] != RETIRED -> to_hobbled[i]!READY :: else fi; busy[i] = 0 };
                goto poll
        :: d_step { why == LAST && !dir && !mark -> guard[i] = OFF; busy[i] = 0 }
        :: why == LAST && (dir || mark) -> goto rescue
        fi
        } unless { atomic { guard[i] == KILLED -> guard[i] = GONE } };
        goto off
}

#ifdef DOUBLE
#define MAY_HURT_HOBBLED true
#define MAY_HURT_GUARD true
#else
#define MAY_HURT_HOBBLED (guard[g] == ON || thawed)
#define MAY_HURT_GUARD WELL
#endif

active proctype Fate()
{
        do
        :: d_step { !dead && !stopped && MAY_HURT_HOBBLED -> stopped = 1 }
        :: d_step { stopped -> stopped = 0 }
        :: d_step { !dead && MAY_HURT_HOBBLED -> die() }
        :: d_step { guard[g] == ON && MAY_HURT_GUARD -> guard[g] = KILLED; armed[g] = 0; busy[g] = 0 }
        :: d_step { guard[g] == ON && armed[g] && word[g] == ALIVE -> word[g] = FENCED }
        :: d_step { guard[g] == ON && word[g] != NONE -> word[g] = RETIRED }
        :: break
        od
}

/* Time goes on: without it a run in which nobody can move would end, and prove nothing about "for good". */
active proctype Time()
{
        do :: g < NG od
}

init { atomic { byte i; for (i : 0 .. NG - 1) { run Guard(i) } } }

/* A guard at rest (asleep with nothing to do, or gone by itself) leaves nothing frozen, moved or marked. */
ltl rest        { [] (RESTS -> CLEAN) }
/* Nothing is frozen before READY. */
ltl before      { [] !early }
/* Once hobbled knows of its guard's death or of the fence, nothing is frozen until READY. */
ltl blocked     { [] (thawed -> !FROZEN) }
/* What is frozen or moved can be found and undone, at every instant. */
ltl findable    { [] ((frozen_place -> mark) && (inside -> dir && origin)) }
/* With READY, hobbled holds whatever is frozen. */
ltl owned       { [] (ready && !dead -> ((frozen_dir && inside -> has_dir) && (frozen_place -> has_place))) }
/* A freeze that came after the fence is thawed before hobbled does anything else. */
ltl second      { [] !(Hobbled@main && late) }

/* Dead: in the end all is thawed, home and unmarked (thawed only, where it had just lost its guard too). */
ltl death       { ((<>[] dead) -> <>[] !FROZEN) && ((<>[] (dead && !LOST)) -> <>[] CLEAN) }
/* Stopped for good: in the end all is thawed, and home where it has a guard. */
ltl hang        { ((<>[] stopped) -> <>[] !FROZEN) && ((<>[] (stopped && guard[g] == ON)) -> <>[] (!FROZEN && !inside)) }
/* Fenced for good, stopped and continued as you like: the same. */
ltl fenced      { (<>[] (guard[g] == ON && word[g] == FENCED)) -> <>[] (!FROZEN && !inside) }
/* The guard died and hobbled runs: it thaws everything. */
ltl orphan      { [] (LOST -> <> (thawed || stopped || dead)) }
/* Who runs on beside a guard that lives gets READY, again and again. */
ltl recover     { (<>[] (WELL && guard[g] == ON && word[g] != RETIRED)) -> []<> ready }

/* These have to fail: they show that the model gets there, and to a freeze afterwards. */
#ifdef REACH
#define AFTER(what) (last == what && frozen_place && ready)
ltl no_stale    { [] !(last == STALE) }         /* a late write to the directory that was removed */
ltl no_late     { [] !(late && mark && frozen_place) } /* one in place, which takes effect */
ltl no_enodev   { [] !AFTER(ENODEV) }           /* an attach that came too late */
ltl no_again    { [] !AFTER(AGAIN) }            /* fenced, and admitted anew */
ltl no_guard    { [] !AFTER(GUARD) }            /* another guard */
ltl no_life     { [] !AFTER(LIFE) }             /* another hobbled */
ltl no_beat     { [] !AFTER(BEAT) }             /* the guard found a beat too old, and hobbled was faster */
#endif
