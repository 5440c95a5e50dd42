/* free_swap_and_cache() racing swapoff(), v6.8.  One d_step / statement = one atomic step.
 * spin -DP=2 -DN=2 -DMAPINIT=65,65 [-DFIXED] */
#define HC 64
#define COUNT(x) ((x) & 63)
#if N > 255
#define INDEX short                   /* a byte would begin again at 0 */
#else
#define INDEX byte
#endif
#define ACCESS assert(!gone)          /* swap_map or cluster_info is dereferenced */

bit used = 1, wok = 1, gone, dead, cached = 1, folio, clus, si;
INDEX inuse = N;
byte users, map[N] = { MAPINIT };   /* HC+1 for the first P entries, HC after */
bit pte[P] = 1, alive[P] = 1, ptl[P];

inline lock_ci()   { d_step { !clus -> ACCESS; clus = 1 } }
inline scan() {                       /* swap_page_trans_huge_swapped: one byte a step */
  do
  :: d_step { COUNT(map[k]) != 0              -> ACCESS; r = 1; k = 0 }; break
  :: d_step { COUNT(map[k]) == 0 && k+1 <  N  -> ACCESS; k++ }
  :: d_step { COUNT(map[k]) == 0 && k+1 == N  -> ACCESS; k = 0 }; break
  od
}
inline try_free() {                   /* folio_free_swap; the caller holds the folio lock */
  if
  :: !cached
  :: cached;
     lock_ci(); scan();
     if
     :: d_step { r  -> ACCESS; clus = 0; r = 0 }
     :: d_step { !r -> ACCESS; clus = 0 };
        cached = 0;                   /* delete_from_swap_cache */
        d_step { !si -> si = 1 };
        lock_ci();
        do
        :: d_step { k+1 <  N -> ACCESS; map[k] = COUNT(map[k]); k++ }
        :: d_step { k+1 == N -> ACCESS; map[k] = COUNT(map[k]); k = 0 }; break
        od;
        inuse = inuse - N;
        d_step { ACCESS; clus = 0 };
        si = 0
     fi
  fi
}

active [P] proctype Proc() {
  INDEX k; byte r;
  alive[_pid] = 0;                                  /* exit_mm */
  d_step { !ptl[_pid] -> ptl[_pid] = 1 };
  if
  :: !pte[_pid] -> goto unlock_ptl                  /* swapped in already */
  :: pte[_pid]
  fi;
#ifdef FIXED
  if                                                /* get_swap_device */
  :: dead -> goto clear_pte
  :: d_step { !dead -> users++ }
  fi;
#endif
  if
  :: !used -> goto out
  :: d_step { used -> ACCESS }                      /* _swap_info_get */
  fi;
  lock_ci();
  d_step { ACCESS; map[_pid]--; r = map[_pid] };    /* __swap_entry_free */
  if
  :: d_step { r != HC -> ACCESS; clus = 0; r = 0 }; goto out
  :: d_step { r == HC -> ACCESS; clus = 0; r = 0 }
  fi;
  skip;                                             /* map = si->swap_map */
  lock_ci(); scan();
  if
  :: d_step { r  -> ACCESS; clus = 0; r = 0 }; goto out
  :: d_step { !r -> ACCESS; clus = 0 }
  fi;
  if :: !cached -> goto out :: cached fi;           /* __try_to_reclaim_swap */
  if :: folio -> goto out :: d_step { !folio -> folio = 1 } fi;
  try_free();
  folio = 0;
out:
#ifdef FIXED
  users--;                                          /* put_swap_device */
#endif
clear_pte:
  pte[_pid] = 0;
unlock_ptl:
  ptl[_pid] = 0
}

active proctype Swapoff() {
  INDEX k, j; byte r, m;
  wok = 0;
loop:
  if :: inuse == 0 -> goto kill :: inuse != 0 fi;
mm:
  if
  :: d_step { !alive[m] && m+1 <  P -> m++ }; goto mm
  :: d_step { !alive[m] && m+1 == P -> m = 0 }; goto scanmap
  :: alive[m]
  fi;
  d_step { !ptl[m] -> ptl[m] = 1 };
  if
  :: !pte[m]
  :: pte[m];                                        /* unuse_pte: swap in */
     d_step { !folio -> folio = 1 };
     lock_ci();
     d_step { ACCESS; map[m]-- };
     d_step { ACCESS; clus = 0 };
     pte[m] = 0;
     folio = 0
  fi;
  if
  :: d_step { m+1 <  P -> ptl[m] = 0; m++ }; goto mm
  :: d_step { m+1 == P -> ptl[m] = 0; m = 0 }
  fi;
scanmap:
  if
  :: d_step { map[j] != HC && j+1 <  N -> ACCESS; j++ }; goto scanmap
  :: d_step { map[j] != HC && j+1 == N -> ACCESS; j = 0 }; goto loop
  :: d_step { map[j] == HC -> ACCESS }
  fi;
  if
  :: d_step { !cached && j+1 <  N -> j++ }; goto scanmap
  :: d_step { !cached && j+1 == N -> j = 0 }; goto loop
  :: cached
  fi;
  d_step { !folio -> folio = 1 };
  try_free();
  if
  :: d_step { j+1 <  N -> folio = 0; j++ }; goto scanmap
  :: d_step { j+1 == N -> folio = 0; j = 0 }; goto loop
  fi;
kill:
  dead = 1;                                         /* percpu_ref_kill */
  users == 0;                                       /* wait for completion */
  d_step { !si -> si = 1 };
  gone = 1;                                         /* swap_map = cluster_info = NULL; free */
  si = 0;
  used = 0
}

