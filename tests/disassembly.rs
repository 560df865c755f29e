//! What users get: `store, flush, store, flush, fence` in a program of theirs is `mov, clwb, mov, clwb, sfence` and address
//! arithmetic. Read from the machine code of examples/store_flush_fence.rs, built as cargo builds it for them.
//!
//! The law, for every function of the example: from its entry to a return there is a way without a call on which exactly
//! these five things happen, nothing else is stored but to the stack, no other line is flushed and no other fence
//! waited for; on the shortest such way each flush is one dispatch. Checks of the caller's promise are branches of it;
//! their number is bounded as well, so that a new one is a decision.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

mod user_program;

use std::collections::{BTreeMap, VecDeque};
use std::process::Command;

use user_program::{Library, skip};

#[derive(Clone, Debug, PartialEq, Eq)]
struct Instruction {
    at: u64,
    name: String,
    operands: String,
}

/// What matters of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Store,
    Clwb,
    Sfence,
    /// A flush, fence or locked step of another kind.
    Foreign,
    Call,
}

const WANTED: [Event; 5] = [
    Event::Store,
    Event::Clwb,
    Event::Store,
    Event::Clwb,
    Event::Sfence,
];

impl Instruction {
    /// A line of `objdump -M intel --no-show-raw-insn`.
    fn parse(line: &str) -> Option<Instruction> {
        let (at, text) = line.trim_start().split_once(":\t")?;
        let text = text.split('#').next().unwrap_or(text).trim();
        let (mut name, mut operands) = text.split_once(' ').unwrap_or((text, ""));
        while ["data16", "cs", "notrack", "bnd"].contains(&name) {
            (name, operands) = operands
                .trim()
                .split_once(' ')
                .unwrap_or((operands.trim(), ""));
        }
        Some(Instruction {
            at: u64::from_str_radix(at, 16).ok()?,
            name: name.to_string(),
            operands: operands.trim().to_string(),
        })
    }

    fn stores_beside_the_stack(&self) -> bool {
        const READ_ONLY: [&str; 8] = [
            "cmp", "test", "bt", "nop", "lea", "push", "comisd", "ucomisd",
        ];
        let target = self.operands.split(',').next().unwrap_or_default();
        let reads = READ_ONLY.contains(&self.name.as_str()) || self.name.starts_with("prefetch");
        let one_operand_reads = !self.operands.contains(',')
            && ["mul", "imul", "div", "idiv"].contains(&self.name.as_str());
        target.contains('[') && !target.contains("[rsp") && !reads && !one_operand_reads
    }

    fn event(&self) -> Option<Event> {
        match self.name.as_str() {
            "clwb" => Some(Event::Clwb),
            "sfence" => Some(Event::Sfence),
            "clflush" | "clflushopt" | "mfence" | "lfence" | "lock" | "cldemote" | "wbinvd" => {
                Some(Event::Foreign)
            }
            "call" | "syscall" | "int" => Some(Event::Call),
            name if name.starts_with("movnt") || name.starts_with("vmovnt") => Some(Event::Foreign),
            name if name.starts_with("rep") || name.starts_with("xchg") => Some(Event::Foreign),
            name if name.starts_with('j') => None,
            _ if self.stores_beside_the_stack() => Some(Event::Store),
            _ => None,
        }
    }

    /// Where a jump leads; `None` for other instructions and for jumps through memory.
    fn target(&self) -> Option<u64> {
        let is_jump = self.name.starts_with('j');
        let address = self.operands.split(' ').next()?;
        is_jump.then(|| u64::from_str_radix(address, 16).ok())?
    }
}

/// The shortest way by branches on which exactly the wanted events happen.
fn straight_path(code: &[Instruction]) -> Option<Vec<Instruction>> {
    let index: BTreeMap<u64, usize> = code
        .iter()
        .enumerate()
        .map(|(i, one)| (one.at, i))
        .collect();
    let mut came_from: BTreeMap<(usize, usize), (usize, usize)> = BTreeMap::new();
    let mut seen = std::collections::BTreeSet::from([(0, 0)]);
    // A branch costs one, everything else nothing.
    let mut queue = VecDeque::from([(0usize, 0usize)]);
    while let Some((at, done)) = queue.pop_front() {
        let one = &code[at];
        let done_after = match one.event() {
            None => done,
            Some(event) if WANTED.get(done) == Some(&event) => done + 1,
            Some(_) => continue,
        };
        if one.name == "ret" {
            if done_after == WANTED.len() {
                let mut path = vec![one.clone()];
                let mut step = (at, done);
                while let Some(before) = came_from.get(&step) {
                    path.push(code[before.0].clone());
                    step = *before;
                }
                path.reverse();
                return Some(path);
            }
            continue;
        }
        let jump = one.target().and_then(|target| index.get(&target)).copied();
        let mut next = Vec::new();
        if one.name != "jmp" && at + 1 < code.len() {
            next.push(at + 1);
        }
        next.extend(jump);
        let branches = next.len() > 1;
        for to in next {
            if seen.insert((to, done_after)) {
                came_from.insert((to, done_after), (at, done));
                if branches {
                    queue.push_back((to, done_after));
                } else {
                    queue.push_front((to, done_after));
                }
            }
        }
    }
    None
}

/// Branches on the way, and those of them that choose an instruction: they look at a byte of the medium's own fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Branches {
    all: usize,
    dispatch: usize,
}

/// Branches before each event of the way, and behind the last.
fn branches(path: &[Instruction]) -> Vec<Branches> {
    let mut found = vec![Branches::default()];
    let mut of_a_byte: BTreeMap<String, bool> = BTreeMap::new();
    let mut looks_at_a_byte = false;
    for one in path {
        let first = one
            .operands
            .split(',')
            .next()
            .unwrap_or_default()
            .to_string();
        match one.name.as_str() {
            "cmp" | "test" => {
                let register = wide(&first);
                looks_at_a_byte = one.operands.contains("BYTE PTR")
                    || of_a_byte.get(&register).copied().unwrap_or(false);
            }
            name if name.starts_with('j') && name != "jmp" => {
                let last = found.last_mut().expect("never empty");
                last.all += 1;
                last.dispatch += usize::from(looks_at_a_byte);
            }
            name => {
                const SET_FLAGS: [&str; 10] = [
                    "add", "sub", "and", "or", "xor", "inc", "dec", "shl", "shr", "neg",
                ];
                looks_at_a_byte &= !SET_FLAGS.contains(&name);
                of_a_byte.insert(
                    wide(&first),
                    name == "movzx" && one.operands.contains("BYTE PTR"),
                );
            }
        }
        if one.event().is_some() {
            found.push(Branches::default());
        }
    }
    found
}

/// One name for a register whatever its width.
fn wide(register: &str) -> String {
    let trimmed = register.trim();
    match trimmed.strip_prefix(['r', 'e']) {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => {
            rest.trim_end_matches(['d', 'w', 'b']).to_string()
        }
        Some(rest) => rest.to_string(),
        None if trimmed.len() == 2 && trimmed.ends_with('l') => trimmed.replace('l', "x"),
        None => trimmed.to_string(),
    }
}

fn disassemble(program: &std::path::Path, function: &str) -> Option<Vec<Instruction>> {
    let output = Command::new("objdump")
        .args(["-d", "--no-show-raw-insn", "-M", "intel"])
        .arg(format!("--disassemble={function}"))
        .arg(program)
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let header = format!("<{function}>:");
    let body = text
        .lines()
        .skip_while(|line| !line.ends_with(&header))
        .skip(1);
    let code: Vec<_> = body
        .take_while(|line| !line.is_empty())
        .filter_map(Instruction::parse)
        .collect();
    (!code.is_empty()).then_some(code)
}

fn listing(code: &[Instruction]) -> String {
    let line = |one: &Instruction| format!("{:x}: {} {}", one.at, one.name, one.operands);
    code.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn two_stores_two_flushes_and_a_fence_are_five_instructions_in_a_users_program() {
    if Command::new("objdump").arg("--version").output().is_err() {
        return skip("objdump (binutils) is not here");
    }
    let library = Library::build("std", &[]);
    let program = library.program("examples/store_flush_fence.rs", &[]);
    // Branches before store, clwb, store, clwb, sfence, and the end: at most so many on the way.
    let cases = [
        // Alignment and bounds of the store; bounds and dispatch of the flush; dispatch of the fence.
        ("mapped_raw", [2, 2, 2, 2, 1, 0]),
        // The view's own answer instead of a panic comes on top, and the flush is a loop over the range's lines.
        ("mapped_typed", [4, 2, 5, 2, 2, 0]),
        // A file asks behind the fence whether a page was lost meanwhile.
        ("file_raw", [2, 2, 2, 2, 1, 1]),
        ("file_typed", [4, 2, 5, 2, 2, 1]),
    ];
    for (function, most) in cases {
        let code = disassemble(&program, function)
            .unwrap_or_else(|| panic!("{function} is not in {}", program.display()));
        let path = straight_path(&code).unwrap_or_else(|| {
            panic!(
                "{function} has no way from entry to return with exactly {WANTED:?}:\n{}",
                listing(&code)
            )
        });
        let found = branches(&path);
        let all: Vec<usize> = found.iter().map(|branches| branches.all).collect();
        let dispatch: Vec<usize> = found.iter().map(|branches| branches.dispatch).collect();
        println!(
            "{function}: {} instructions, branches {all:?}, dispatches {dispatch:?}",
            path.len()
        );
        let within = all.iter().zip(most).all(|(found, most)| *found <= most);
        assert!(
            within,
            "{function}: {all:?} branches, at most {most:?}\n{}",
            listing(&path)
        );
        assert_eq!(
            dispatch[1],
            1,
            "{function}: the first flush\n{}",
            listing(&path)
        );
        assert_eq!(
            dispatch[3],
            1,
            "{function}: the second flush\n{}",
            listing(&path)
        );
        assert_eq!(
            dispatch[0] + dispatch[2],
            0,
            "{function}: stores choose nothing"
        );
        assert!(
            dispatch[4] <= 1,
            "{function}: the fence\n{}",
            listing(&path)
        );
    }
    // And it runs.
    let output = Command::new(&program).output().expect("it starts");
    assert!(output.status.success(), "{output:?}");
}

fn code(text: &str) -> Vec<Instruction> {
    text.lines().filter_map(Instruction::parse).collect()
}

const GOOD: &str = "
 10:\tpush   rbx
 11:\ttest   sil,0x7
 12:\tjne    40 <f+0x30>
 13:\tmov    QWORD PTR [rax+rsi*1],rcx
 14:\tmovzx  eax,BYTE PTR [rdi+0x38]
 15:\ttest   eax,eax
 16:\tjne    20 <f+0x10>
 17:\tclwb   BYTE PTR [rsi]
 18:\tjmp    21 <f+0x11>
 20:\tclflush BYTE PTR [rsi]
 21:\tmov    QWORD PTR [rax+rdx*1],rcx
 22:\tcmp    BYTE PTR [rdi+0x38],0x0
 23:\tjne    40 <f+0x30>
 24:\tclwb   BYTE PTR [rdx]
 25:\tsfence
 26:\tret
 40:\tcall   QWORD PTR [rip+0x51115]        # 7ed00 <f>
";

#[test]
fn a_good_listing_is_found_good_and_its_branches_are_counted() {
    let path = straight_path(&code(GOOD)).expect("a way");
    let found = branches(&path);
    let pairs: Vec<_> = found.iter().map(|b| (b.all, b.dispatch)).collect();
    assert_eq!(pairs, [(1, 0), (1, 1), (0, 0), (1, 1), (0, 0), (0, 0)]);
}

#[test]
fn a_second_fence_a_call_or_any_other_store_or_flush_on_the_way_is_found() {
    for extra in [
        " 19:\tsfence",
        " 19:\tmfence",
        " 19:\tcall   50 <g>",
        " 19:\tmov    DWORD PTR [rdi+0x10],eax",
        " 19:\tmov    QWORD PTR [rbp-0x10],rax",
        " 19:\tvmovups YMMWORD PTR [rdi],ymm0",
        " 19:\tmovnti QWORD PTR [rdi],rax",
        " 19:\tclwb   BYTE PTR [rdx]",
        " 19:\tclflushopt BYTE PTR [rdx]",
        " 19:\tlock or DWORD PTR [rsp-0x40],0x0",
        " 19:\tinc    QWORD PTR [rdi]",
    ] {
        // Between the flush and the next store, where every way passes.
        let with = GOOD.replace(" 21:\t", &format!("{extra}\n 21:\t"));
        let with = with.replace(" 18:\tjmp    21", " 18:\tjmp    19");
        assert_eq!(straight_path(&code(&with)), None, "{extra}");
    }
    for missing in [" 25:\tsfence\n", " 17:\tclwb   BYTE PTR [rsi]\n"] {
        assert_eq!(straight_path(&code(&GOOD.replace(missing, ""))), None);
    }
    for harmless in [
        " 19:\tmov    QWORD PTR [rsp+0x10],rax",
        " 19:\tcmp    QWORD PTR [rdi+0x10],rax",
        " 19:\tnop    DWORD PTR [rax+rax*1+0x0]",
        " 19:\tdata16 cs nop WORD PTR [rax+rax*1+0x0]",
        " 19:\tmov    rax,QWORD PTR [rdi]",
    ] {
        let with = GOOD.replace(" 21:\t", &format!("{harmless}\n 21:\t"));
        assert!(straight_path(&code(&with)).is_some(), "{harmless}");
    }
    let twice = GOOD.replace(
        " 17:\tclwb",
        " 16:\tcmp    eax,0x6\n 16:\tje     40 <f+0x30>\n 17:\tclwb",
    );
    let found = branches(&straight_path(&code(&twice)).expect("a way"));
    assert_eq!(found[1].dispatch, 2);
}
